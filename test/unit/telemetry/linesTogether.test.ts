import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { LinesTogether } from '../../../src/telemetry/linesTogether.ts';

function toList() {
  const writes: string[] = [];
  return { writes, lines: new LinesTogether({ write: (text) => writes.push(text) }) };
}

describe('lines of one run of code', () => {
  it('are written together, in their order, before anything else happens', async () => {
    const { writes, lines } = toList();
    const next = new Promise((happened) => setImmediate(happened)).then(() => writes.push('something else'));
    lines.write('one\n');
    lines.write('two\n');
    expect(writes).toEqual([]);
    await null;
    expect(writes).toEqual(['one\ntwo\n']);
    lines.write('three\n');
    await next;
    expect(writes).toEqual(['one\ntwo\n', 'three\n', 'something else']);
  });

  it('do not wait for its end when they are many', () => {
    const { writes, lines } = toList();
    const line = `${'x'.repeat(1023)}\n`;
    for (let count = 0; count < 65; count += 1) lines.write(line);
    expect(writes).toEqual([line.repeat(64)]);
    lines.flush();
    expect(writes.join('')).toBe(line.repeat(65));
    lines.flush();
    expect(writes).toHaveLength(2);
  });

  it.each([
    ['it ends', 'process.exit(3);', 3],
    ['it fails', "throw new Error('gone');", 1],
  ])('are there when the process ends in its midst because %s', (_why, end, status) => {
    // The build; tests run from the root of the project.
    const module = resolve('dist/src/telemetry/log.js');
    const code = `const { createLog } = await import(${JSON.stringify(module)});
      const log = createLog({ level: 'info', format: 'json' });
      log.info('first');
      log.child({}).info('last');
      ${end}`;
    const process = spawnSync('node', ['--input-type=module', '--eval', code], { encoding: 'utf8' });
    expect(process.status).toBe(status);
    const messages = process.stdout.trim().split('\n');
    expect(messages.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['first', 'last']);
  });
});
