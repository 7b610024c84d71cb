import createClient from 'openapi-fetch';
// Made by `npm run types` from the running program.
import type { paths } from './api.js';

/** The tour of the README with types: create, simulate, ingest, watch the funnel, see the fire, ask why another did not. */

const api = createClient<paths>({
  baseUrl: process.env.API_URL ?? 'http://127.0.0.1:8080',
  headers: { authorization: `Bearer ${process.env.TOKEN}` },
});

/** The answer, or what the problem says. */
async function expectData<Data>(
  call: Promise<{ data?: Data; error?: { detail?: string } }>,
): Promise<Data> {
  const { data, error } = await call;
  if (data === undefined) throw new Error(error?.detail ?? 'the request failed');
  return data;
}

const sequence = {
  name: 'Ready to buy (typed)',
  event_types: ['pricing_page', 'whitepaper', 'demo_request'],
  window_seconds: 7 * 86_400,
  ordered: true,
};
const event = (lead_id: string, event_type: string) => ({ id: `${lead_id}-${event_type}`, lead_id, event_type });

const planned = await expectData(
  api.POST('/sequences/simulate', {
    body: { sequence, events: sequence.event_types.map((type) => event('grace', type)) },
  }),
);
console.log(`simulated: ${planned.fire_count} fire`);

const { id } = await expectData(api.POST('/sequences', { body: sequence }));
console.log(`created ${id}`);

await expectData(
  api.POST('/ingest', {
    body: {
      events: [
        ...sequence.event_types.map((type) => event('grace', type)),
        event('edsger', 'pricing_page'),
        event('edsger', 'demo_request'),
      ],
    },
  }),
);

const params = { path: { id } };
for (let tries = 0; tries < 100; tries++) {
  const { events } = await expectData(
    api.GET('/sequence-events', { params: { query: { sequence_id: id } } }),
  );
  if (events.length > 0) {
    console.log(`fired: ${events.map(({ lead_id }) => lead_id).join(', ')}`);
    break;
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
}

const { steps } = await expectData(api.GET('/sequences/{id}/progress', { params }));
console.log(`funnel: ${steps.map(({ step, leads }) => `${leads} after step ${step}`).join(', ')}`);

const edsger = await expectData(
  api.GET('/sequences/{id}/leads/{lead_id}', { params: { path: { id, lead_id: 'edsger' } } }),
);
console.log(`edsger: ${edsger.reasons.join(' ')}`);
