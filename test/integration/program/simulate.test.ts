import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { childrenOf, threadsOf } from '../../support/processes.ts';
import {
  allFires,
  lagOf,
  metricOf,
  positionOf,
  type RunningProgram,
  startProgram,
  TOKEN,
  temporaryDataDir,
} from '../../support/program.ts';
import { type Receiver, startReceiver } from '../../support/receivers.ts';

interface SimulationView {
  readonly fires: readonly {
    readonly lead_id: string;
    readonly late: boolean;
    readonly events: readonly { readonly id: string }[];
  }[];
  readonly fire_count: number;
  readonly lead_count: number;
  readonly scanned_events: number;
  readonly counts: { readonly duplicates: number; readonly rejected: { readonly not_json: number } };
  readonly progress: {
    readonly complete: boolean;
    readonly leads_after_step: readonly number[];
    readonly lead: { readonly step: number; readonly missing: readonly string[] } | null;
  };
}

interface LeadView {
  readonly known: boolean;
  readonly step: number;
  readonly held: readonly { readonly step: number; readonly id: string }[];
  readonly missing: readonly string[];
  readonly reasons: readonly string[];
  readonly as_of: { readonly position: number };
}

const NATS_TOKEN = 'the-token-of-the-nats-server';
const SEQUENCE = {
  name: 'in order',
  event_types: ['view', 'cart', 'buy'],
  window_seconds: 600,
  ordered: true,
};
const LEADS = 40;

describe('simulations and insight in the running program', () => {
  const dataDir = temporaryDataDir();
  let nats: TestServer;
  let receiver: Receiver;
  let program: RunningProgram;
  let sequenceId = '';
  let publish: (events: readonly (object | string)[], subject?: string) => Promise<void>;

  beforeAll(async () => {
    const lines = [`authorization { token: "${NATS_TOKEN}" }`];
    nats = await startNats({ lines, client: { token: NATS_TOKEN } });
    receiver = await startReceiver();
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url, NATS_TOKEN } });
    const client = await nats.connect();
    publish = async (events, subject = 'events.default') => {
      for (const event of events) {
        client.publish(subject, typeof event === 'string' ? event : JSON.stringify(event));
      }
      await client.flush();
    };
    const created = await program.call<{ id: string }>('POST', '/sequences', {
      ...SEQUENCE,
      webhook_url: `${receiver.url}/hook`,
    });
    sequenceId = created.id;
    // It only has another type held, by which an id that comes twice is a duplicate.
    await program.call('POST', '/sequences', { name: 'other', event_types: ['other'], window_seconds: 900 });
    await publishLeads();
    await waitFor(
      'all to be applied',
      async () => (await lagOf(program)) === 0 && (await positionOf(program)) > LEADS,
    );
    await waitFor('the deliveries', async () =>
      (await deliveries()).every(({ state }) => state === 'delivered'),
    );
  });

  afterAll(async () => {
    await program?.stop();
    await receiver?.close();
    await nats?.stop();
    dataDir.remove();
  });

  const start = Date.now() - 300_000;
  const eventOf = (lead: number, type: string, seconds: number, id = `${lead}-${type}-${seconds}`) => ({
    id,
    lead_id: `lead-${lead}`,
    event_type: type,
    created_at: new Date(start + seconds * 1000).toISOString(),
  });
  /** Leads that complete it in order, late, twice, with a duplicate, or only in part. */
  const publishLeads = async (): Promise<void> => {
    for (let lead = 0; lead < LEADS; lead++) {
      const [view, cart, buy] = [
        eventOf(lead, 'view', 0),
        eventOf(lead, 'cart', 10),
        eventOf(lead, 'buy', 20),
      ];
      if (lead % 5 === 0) await publish([view, cart, buy, eventOf(lead, 'view', 30)]);
      if (lead % 5 === 1) await publish([view, buy, cart], 'events.default.web');
      if (lead % 5 === 2)
        await publish([view, cart, eventOf(lead, 'other', 11, 'same'), eventOf(lead, 'buy', 20, 'same')]);
      if (lead % 5 === 3)
        await publish([
          view,
          cart,
          buy,
          view,
          eventOf(lead, 'view', 31),
          eventOf(lead, 'cart', 32),
          eventOf(lead, 'buy', 33),
        ]);
      if (lead % 5 === 4) await publish([view]);
    }
    await publish(['no json']);
    await publish([eventOf(1, 'buy', 40)], 'events.another');
  };
  const deliveries = async () =>
    (await program.call<{ deliveries: { state: string }[] }>('GET', '/deliveries?limit=100')).deliveries;
  const simulate = (body: object, id = sequenceId) =>
    program.call<SimulationView>('POST', `/sequences/${id}/simulate`, body);
  /** All that a simulation must leave as it is. */
  const stateOf = async () => ({
    position: await positionOf(program),
    leads: await metricOf(program, 'leads'),
    heldEvents: await metricOf(program, 'held_events'),
    fires: (await allFires(program)).map(({ id }) => id),
    deliveries: (await deliveries()).length,
    received: receiver.requests.length,
    sequences: await program.call('GET', '/sequences'),
  });
  const named = (fires: SimulationView['fires']) =>
    fires
      .map(({ lead_id, late, events }) => `${lead_id} ${late} ${events.map(({ id }) => id).join()}`)
      .sort();

  it('makes a look-back over the stored events fire what is in the history, and changes nothing', async () => {
    const before = await stateOf();
    const history = await allFires(program, sequenceId);
    expect(history.length).toBeGreaterThan(20);
    const simulated = await simulate({ lookback_days: 1 });
    expect(named(simulated.fires)).toEqual(named(history));
    expect(simulated).toMatchObject({
      fire_count: history.length,
      lead_count: 24,
      scanned_events: (LEADS / 5) * (4 + 3 + 4 + 7 + 1) + 1,
      counts: { duplicates: 16, rejected: { not_json: 1 } },
      progress: { complete: true, lead: null },
    });
    expect(await stateOf()).toEqual(before);
  });

  it('says of where leads stand what the count of the live leads says, which one lead agrees with', async () => {
    const { progress } = await simulate({ lookback_days: 1 });
    const counted = await program.call<{ steps: { leads: number }[]; leads: number; fired: number }>(
      'GET',
      `/sequences/${sequenceId}/progress`,
    );
    expect(counted.steps.map(({ leads }) => leads)).toEqual([16, 8, 0]);
    expect(progress.leads_after_step).toEqual([16, 8, 0]);
    expect(counted).toMatchObject({ leads: LEADS, fired: 24 });
    const lead = await program.call<LeadView>('GET', `/sequences/${sequenceId}/leads/lead-2`);
    expect(lead).toMatchObject({ known: true, step: 2, missing: ['buy'] });
    expect(lead.held.map(({ id }) => id)).toEqual(['2-view-0', '2-cart-10']);
    expect(lead.as_of.position).toBe(await positionOf(program));
    const used = await program.call<LeadView>('GET', `/sequences/${sequenceId}/leads/lead-3`);
    expect(used).toMatchObject({ step: 0, held: [] });
    expect(used.reasons.join()).toMatch(/It fired at .*, completed by event 3-.*used up/);
    const unknown = await program.call<LeadView>('GET', `/sequences/${sequenceId}/leads/no%2Fbody`);
    expect(unknown).toMatchObject({ known: false, step: 0, missing: ['view', 'cart', 'buy'] });
  });

  it('tries a sequence that is not saved, on the stored events and on the held ones of a lead', async () => {
    const before = await stateOf();
    const sequence = {
      ...SEQUENCE,
      event_types: ['cart', 'view'],
      ordered: false,
      webhook_url: `${receiver.url}/x`,
    };
    const call = (body: object) =>
      program.call<SimulationView>('POST', '/sequences/simulate', { sequence, ...body });
    const stored = await call({ lookback_days: 1 });
    expect(stored.lead_count).toBe(32);
    const held = await call({ lead_id: 'lead-3' });
    expect(held.fires.map(({ events }) => events.map(({ id }) => id))).toEqual([
      ['3-view-0', '3-cart-10'],
      ['3-view-31', '3-cart-32'],
    ]);
    expect(held.progress.lead).toMatchObject({ step: 0 });
    const partly = await call({ lead_id: 'lead-4' });
    expect(partly).toMatchObject({ fire_count: 0, progress: { lead: { step: 1, missing: ['cart'] } } });
    expect(await stateOf()).toEqual(before);
  });

  it('fires on given events what they fire when they are sent', async () => {
    const events = [
      { id: 'g-1', lead_id: 'given', event_type: 'view' },
      { id: 'g-2', lead_id: 'given', event_type: 'cart' },
      { id: 'g-2', lead_id: 'given', event_type: 'buy' },
      { id: 'g-3', lead_id: 'given', event_type: 'buy' },
    ];
    const simulated = await simulate({ events });
    expect(simulated).toMatchObject({ fire_count: 1, scanned_events: 4, counts: { duplicates: 1 } });
    await program.call('POST', '/ingest', { events });
    const fires = await waitFor('the fire', async () => {
      const found = (await allFires(program, sequenceId)).filter(({ lead_id }) => lead_id === 'given');
      return found.length > 0 && found;
    });
    expect(named(fires)).toEqual(named(simulated.fires));
  });

  it('goes on consuming during a look-back, refuses a second one, and ends one that nobody waits for', async () => {
    const ofBatch = Array.from({ length: 60_000 }, (_, index) => ({
      id: `b${index}`,
      lead_id: `bulk-${index % 1_000}`,
      event_type: 'view',
    }));
    await publish(ofBatch, 'events.default.bulk');
    await waitFor('all to be applied', async () => (await lagOf(program)) === 0);
    const post = (signal?: AbortSignal) =>
      fetch(`${program.url}/sequences/${sequenceId}/simulate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: '{"lookback_days":1,"time_limit_seconds":60}',
        ...(signal === undefined ? {} : { signal }),
      });
    const both = Promise.all([post(), post()]);
    await publish(['view', 'cart', 'buy'].map((type, seconds) => eventOf(777, type, seconds)));
    await waitFor('the fire', async () =>
      (await allFires(program, sequenceId)).some(({ lead_id }) => lead_id === 'lead-777'),
    );
    const [one, other] = (await both).sort((a, b) => a.status - b.status);
    expect([one?.status, other?.status]).toEqual([200, 503]);
    const whole = (await one?.json()) as SimulationView;
    expect(whole.progress.complete).toBe(true);
    expect(whole.scanned_events).toBeGreaterThan(60_000);
    expect(other?.headers.get('retry-after')).toMatch(/^\d+$/);
    expect(await other?.json()).toMatchObject({ detail: expect.stringContaining('Another look-back') });

    await waitFor('one that ends because its client went away', async () => {
      const abandoned = new AbortController();
      const asked = post(abandoned.signal).catch(() => undefined);
      setTimeout(() => abandoned.abort(), 100);
      await asked;
      return program.log().includes('"isComplete":false,"isAbandoned":true');
    });
  });

  it('rests in a look-back while the feed is busy, and not while it is idle', async () => {
    const rests = () => [...program.log().matchAll(/"restedMs":(\d+),"msg":"a look-back ended"/g)];
    const restsIn = async (): Promise<number> => {
      const before = rests().length;
      await simulate({ lookback_days: 1, time_limit_seconds: 60 });
      return Number(await waitFor('the line of its end', () => rests()[before]?.[1]));
    };
    // A machine with much else to do may keep the program from saying so once; not always.
    await waitFor('a look-back without a rest', async () => (await restsIn()) === 0);
    let isOver = false;
    const busy = restsIn().finally(() => {
      isOver = true;
    });
    while (!isOver) {
      await publish([eventOf(778, 'view', 0)]);
      await sleep(10);
    }
    expect(await busy).toBeGreaterThan(0);
  });

  const lookBacks = () =>
    childrenOf(program.process.pid!).filter(({ command }) => command.includes('lookBackChild'));

  /** After it, the program has to begin another. */
  const endTheOneThatWaits = async (): Promise<void> => {
    for (const { pid } of lookBacks()) process.kill(pid, 'SIGKILL');
    await waitFor('it to be gone', async () => lookBacks().length === 0);
  };

  it('makes a look-back in a process of its own session whose threads all give way to others', async () => {
    const asked = simulate({ lookback_days: 1 });
    const [pid, threads] = await waitFor('the threads of its process', () => {
      const [found] = lookBacks();
      const all = found === undefined ? [] : threadsOf(found.pid);
      return all.length > 1 && ([found!.pid, all] as const);
    });
    expect(new Set(threads.map(({ nice }) => nice))).toEqual(new Set([constants.priority.PRIORITY_LOW]));
    expect(new Set(threads.map(({ session }) => session))).toEqual(new Set([pid]));
    await asked;
  });

  it('makes one look-back after the other in the same process', async () => {
    await simulate({ lookback_days: 1 });
    const [first] = lookBacks();
    const again = await simulate({ lookback_days: 1 });
    expect(again.progress.complete).toBe(true);
    expect(lookBacks()).toEqual([first]);
  });

  it('answers that it could not be done when the process of a look-back is killed, and makes the next one', async () => {
    const post = () =>
      fetch(`${program.url}/sequences/${sequenceId}/simulate`, {
        method: 'POST',
        headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
        body: '{"lookback_days":1}',
      });
    await endTheOneThatWaits();
    const asked = post();
    await waitFor('the process to be killed', async () => {
      const found = lookBacks();
      for (const { pid } of found) process.kill(pid, 'SIGKILL');
      return found.length > 0;
    });
    const refused = await asked;
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ detail: expect.stringContaining('could not be read') });
    expect((await post()).status).toBe(200);
  });

  it('puts no token of the NATS server into the log', () => {
    expect(program.log()).not.toContain(NATS_TOKEN);
  });

  it('stops at once though the process of a look-back waits for the next, and leaves none behind', async () => {
    await simulate({ lookback_days: 1 });
    const [waiting] = lookBacks();
    expect(await program.stop()).toBe(0);
    await waitFor('it to end', async () => !existsSync(`/proc/${waiting!.pid}`));
    program = await startProgram({ dataDir: dataDir.path, env: { NATS_URL: nats.url, NATS_TOKEN } });
  });

  it('leaves no process of a look-back behind when it is killed during one', async () => {
    await endTheOneThatWaits();
    fetch(`${program.url}/sequences/${sequenceId}/simulate`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' },
      body: '{"lookback_days":1}',
    }).catch(() => undefined);
    const lookBack = await waitFor('the look-back to begin', async () => lookBacks()[0]);
    await program.kill();
    await waitFor('the look-back to end', async () => !existsSync(`/proc/${lookBack.pid}`));
  });
});
