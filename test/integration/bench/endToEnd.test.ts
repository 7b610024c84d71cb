import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runConsumer } from '../../../bench/endToEnd/consumerProcess.ts';
import { publishEvents, startEventServer } from '../../../bench/endToEnd/eventServer.ts';
import { prepareDataDir, runProgram } from '../../../bench/endToEnd/programRun.ts';
import { takeTurns } from '../../../bench/endToEnd/rounds.ts';
import { stageRows, throughputRows } from '../../../bench/endToEnd/tables.ts';
import { cardOf, firesOfMatcher } from '../../../bench/endToEnd/workload.ts';

const SCALE = 0.005;

describe('the end-to-end benchmark', () => {
  it('runs with 5,000 events, and the program fires what a matcher alone fires on them', async () => {
    const card = cardOf(SCALE);
    const directory = mkdtempSync(join(tmpdir(), 'sequence-triggers-bench-'));
    const preparedDir = join(directory, 'prepared');
    const server = await startEventServer(directory);
    try {
      await prepareDataDir(preparedDir, server.url, card, null);
      const payloadBytes = await publishEvents(server.url, card);
      const readers = {
        parse: () => runConsumer('parse', server.url, SCALE),
        match: () => runConsumer('match', server.url, SCALE),
        program: () => runProgram(preparedDir, server.url, card),
      };
      const { parse, match, program } = await takeTurns(readers, 1, server);
      expect(payloadBytes).toBeGreaterThan(200);
      expect([parse, match].flat().every(({ wallSeconds }) => wallSeconds > 0)).toBe(true);
      const expected = firesOfMatcher(card);
      expect(expected.fires).toBeGreaterThan(10);
      expect(program).toEqual([expect.objectContaining({ ...expected, cpuSeconds: expect.any(Number) })]);
    } finally {
      await server.close();
      rmSync(directory, { recursive: true });
    }
  }, 60_000);

  it('gives each stage the difference between the readers with and without it', () => {
    const reader = (...walls: readonly number[]) =>
      walls.map((wallSeconds) => ({ wallSeconds, cpuSeconds: 2 * wallSeconds, serverCpuSeconds: 1 }));
    const program = (...walls: readonly number[]) =>
      reader(...walls).map((run) => ({
        ...run,
        fires: 1,
        hash: '',
        settledSeconds: run.wallSeconds,
        stopSeconds: 0,
      }));
    const runs = {
      noop: reader(1, 1, 1),
      parse: reader(2, 2, 2),
      receive: reader(1, 9, 2),
      decode: reader(3, 3, 3),
      match: reader(5, 5, 5),
      programWithoutCheckpoints: program(6, 6, 6),
      program: program(8, 8, 4),
      programWithWebhooks: program(9, 9, 9),
    };
    expect(stageRows(runs, 500_000).map((row) => [row['wall s'], row['CPU s']])).toEqual([
      [4, 8],
      [2, 4],
      [4, 8],
      [2, 4],
      [4, 8],
      [16, 32],
      [2, 4],
    ]);
    expect(throughputRows(runs, 8).find((row) => row.reader === 'the program')).toEqual({
      reader: 'the program',
      'events/s': 1,
      min: 1,
      max: 2,
      'to no-op': 0.13,
      'to JSON.parse': 0.25,
      'CPU s': 16,
      'server CPU s': 1,
    });
  });
});
