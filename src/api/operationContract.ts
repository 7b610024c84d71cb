import { z } from 'zod';
import { endpoint } from './endpoint.ts';

const readinessAnswer = z
  .looseObject({
    ready: z.boolean(),
    reasons: z.array(z.string()).meta({ description: 'What is missing, a short sentence each.' }),
  })
  .meta({ id: 'Readiness' });

export const healthz = endpoint({
  name: 'isAlive',
  method: 'get',
  path: '/healthz',
  tag: 'Operation',
  summary: 'Is it alive?',
  description: 'Whether the program answers at all.',
  isPublic: true,
  answer: {
    status: 200,
    description: 'It is.',
    schema: z.object({ status: z.literal('ok') }),
  },
  example: { answer: { status: 'ok' } },
});

export const readyz = endpoint({
  name: 'isReady',
  method: 'get',
  path: '/readyz',
  tag: 'Operation',
  summary: 'Is it consuming?',
  description: 'Whether events are consumed and changes are taken, or why not, with positions.',
  isPublic: true,
  answer: { status: 200, description: 'It is ready.', schema: readinessAnswer },
  alternative: { status: 503, description: 'It is not, for the reasons given.' },
  example: { answer: { ready: true, reasons: [] } },
});

export const metricsText = endpoint({
  name: 'getMetrics',
  method: 'get',
  path: '/metrics',
  tag: 'Operation',
  summary: 'Metrics',
  description: 'In the text format of Prometheus, totals over all organizational units.',
  isPublic: true,
  answer: { status: 200, description: 'The metrics.', contentType: 'text/plain' },
  example: { answer: null },
});
