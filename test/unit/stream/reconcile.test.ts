import { describe, expect, it } from 'vitest';
import type { StreamMark } from '../../../src/model/checkpoint.ts';
import { reconcile, type StreamFound } from '../../../src/stream/reconcile.ts';

const MARK: StreamMark = {
  name: 'EVENTS',
  created: 'T1',
  sequence: 100,
  messageArrivalMicros: 5_000,
  messageDigest: 'aa',
};

const FOUND: StreamFound = {
  name: 'EVENTS',
  created: 'T1',
  firstSequence: 10,
  lastSequence: 120,
  isShared: false,
  messageAtPosition: { arrivalMicros: 5_000, digest: 'aa' },
};

describe('comparing the stream with the mark of what was read', () => {
  it.each([
    ['fresh', null, FOUND, 9],
    ['fresh', null, { ...FOUND, firstSequence: 0, lastSequence: 0, messageAtPosition: null }, 0],
    ['resume', MARK, FOUND, 100],
    ['resume', MARK, { ...FOUND, lastSequence: 100 }, 100],
    ['resume', MARK, { ...FOUND, firstSequence: 101, messageAtPosition: null }, 100],
    ['resume', MARK, { ...FOUND, firstSequence: 101, lastSequence: 100, messageAtPosition: null }, 100],
    ['retention_gap', MARK, { ...FOUND, firstSequence: 102, messageAtPosition: null }, 101],
    ['recreated', MARK, { ...FOUND, created: 'T2' }, 9],
    ['rolled_back', MARK, { ...FOUND, lastSequence: 99, messageAtPosition: null }, 9],
    ['rolled_back', MARK, { ...FOUND, messageAtPosition: { arrivalMicros: 5_000, digest: 'bb' } }, 9],
    ['rolled_back', MARK, { ...FOUND, messageAtPosition: { arrivalMicros: 5_001, digest: 'aa' } }, 9],
    ['other_stream', MARK, { ...FOUND, name: 'OTHER', created: 'T2' }, 9],
  ] as const)('%s: %j against %j goes on behind %i', (outcome, mark, found, position) => {
    const accepted = reconcile(mark, found, 'accept');
    expect(accepted).toMatchObject({ proceed: true, verdict: { outcome }, startSequence: position + 1 });
    expect(accepted.message ?? '').toMatch(
      ['fresh', 'resume'].includes(outcome)
        ? /^$/
        : new RegExp(`^${outcome}: .* Accepted by ON_STREAM_MISMATCH=`),
    );

    const halted = reconcile(mark, found, 'halt');
    const goesOn = outcome === 'fresh' || outcome === 'resume';
    expect(halted).toMatchObject({ proceed: goesOn, verdict: { outcome } });
    if (!halted.proceed)
      expect(halted.message).toMatch(new RegExp(`^${outcome}: .*ON_STREAM_MISMATCH=accept`));
  });

  it('names the messages that a retention gap has swallowed', () => {
    const result = reconcile(MARK, { ...FOUND, firstSequence: 151, messageAtPosition: null }, 'halt');
    expect(result).toMatchObject({ verdict: { fromSequence: 101, toSequence: 150 } });
  });
});
