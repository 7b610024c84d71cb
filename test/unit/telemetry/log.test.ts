import { PassThrough } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { createLog, type LogOptions } from '../../../src/telemetry/log.ts';

function logTo(options: Partial<LogOptions>) {
  const lines: string[] = [];
  const destination = new PassThrough();
  destination.on('data', (chunk: Buffer) => lines.push(chunk.toString()));
  const log = createLog({ level: 'info', format: 'json', destination, ...options });
  return { log, text: () => lines.join('') };
}

describe('the log', () => {
  it('writes one JSON object a line, with the level in words and the time in UTC', () => {
    const { log, text } = logTo({});
    log.info({ ou: 'acme', fires: 2 }, 'batch applied');
    const line = JSON.parse(text()) as Record<string, unknown>;
    expect(line).toMatchObject({ level: 'info', ou: 'acme', fires: 2, msg: 'batch applied' });
    expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
  });

  it('gives each line the time of its writing, to the millisecond', () => {
    const { log, text } = logTo({});
    const timesMs = [1_767_225_600_000, 1_767_225_600_000, 1_767_225_600_001, 1_767_225_599_999];
    try {
      for (const timeMs of timesMs) {
        vi.useFakeTimers({ toFake: ['Date'], now: timeMs });
        log.info({}, 'a line');
      }
    } finally {
      vi.useRealTimers();
    }
    const lines = text().trimEnd().split('\n');
    expect(lines.map((line) => Date.parse(JSON.parse(line).time))).toEqual(timesMs);
  });

  it('leaves out what is below its level', () => {
    const { log, text } = logTo({ level: 'warn' });
    log.info({}, 'not this');
    log.warn({}, 'but this');
    expect(text()).not.toContain('not this');
    expect(text()).toContain('but this');
  });

  it.each(['json', 'pretty'] as const)('hides fields that are secret, at several depths (%s)', (format) => {
    const { log, text } = logTo({ format });
    log.info(
      {
        token: 'hunter2',
        request: { authorization: 'hunter2', headers: { cookie: 'hunter2' } },
        sequence: { webhookSecret: 'hunter2', name: 'shown' },
      },
      'careful',
    );
    expect(text()).toContain('careful');
    expect(text()).toContain('shown');
    expect(text()).not.toContain('hunter2');
  });

  it('shows an error under err or error, and a word there as it is', () => {
    const { log, text } = logTo({});
    log.error({ err: new Error('first') }, 'a');
    log.error({ error: new Error('second') }, 'b');
    log.error({ error: 'timeout' }, 'c');
    const lines = text()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines[0]).toMatchObject({ err: { message: 'first' } });
    expect(lines[1]).toMatchObject({ error: { message: 'second' } });
    expect(lines[2]).toMatchObject({ error: 'timeout' });
  });

  it('writes lines for people when asked to', () => {
    const { log, text } = logTo({ format: 'pretty' });
    log.info({ port: 8080 }, 'listening');
    expect(text()).toMatch(/INFO.*listening/);
    expect(text()).toMatch(/port.*8080/);
  });
});
