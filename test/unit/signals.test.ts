import { EventEmitter } from 'node:events';
import { beforeEach, describe, expect, it } from 'vitest';
import { onStopSignal } from '../../src/signals.ts';

describe('the signals to stop', () => {
  let source: EventEmitter;
  let nowMs: number;
  let happened: string[];

  beforeEach(() => {
    source = new EventEmitter();
    nowMs = 5_000;
    happened = [];
    onStopSignal(
      (signal) => happened.push(`stop by ${signal}`),
      source,
      () => nowMs,
      () => happened.push('end'),
    );
  });

  it.each(['SIGINT', 'SIGTERM'])('start the stop at the first %s', (signal) => {
    source.emit(signal, signal);
    expect(happened).toEqual([`stop by ${signal}`]);
  });

  it('count once when a Ctrl-C comes from the terminal and from npm', () => {
    source.emit('SIGINT', 'SIGINT');
    nowMs += 2;
    source.emit('SIGINT', 'SIGINT');
    expect(happened).toEqual(['stop by SIGINT']);
  });

  it('end the process when they come again while it stops', () => {
    source.emit('SIGTERM', 'SIGTERM');
    nowMs += 1_001;
    source.emit('SIGINT', 'SIGINT');
    expect(happened).toEqual(['stop by SIGTERM', 'end']);
  });
});
