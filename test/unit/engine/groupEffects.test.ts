import { expect, it } from 'vitest';
import { GroupEffects } from '../../../src/engine/groupEffects.ts';

it('a rejection keeps the bytes of its message, and not those that came with it', () => {
  const block = Buffer.alloc(1_000, 'x');
  const rejection = { reason: 'not_json', detail: 'not JSON' } as const;
  const message = {
    streamSequence: 1,
    arrivalMicros: 2,
    ou: 'ou',
    subject: 'events.ou',
    data: block.subarray(10, 20),
    decoded: { rejection },
  };
  const effects = new GroupEffects({ catalog: undefined as never, planDeliveries: () => [] });
  effects.addRejection(message, rejection);
  const kept = effects.rejections[0]![0];
  expect(kept).toEqual({ ...message, data: Uint8Array.from(message.data) });
  expect(kept.data.buffer.byteLength).toBe(10);
  expect(effects.rejectedBytes).toBe(10);
});
