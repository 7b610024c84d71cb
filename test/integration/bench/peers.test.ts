import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CASES } from '../../../bench/peers/cases.ts';
import { contest, differences, pairsOf } from '../../../bench/peers/contest.ts';
import { type Contestant, OTHER_MODES, PEERS } from '../../../bench/peers/contestants.ts';
import { readRecordings } from '../../../bench/peers/expected.ts';
import { benchPeers } from '../../../bench/peers/index.ts';
import { arePeersInstalled, INSTALL_COMMAND } from '../../../bench/peers/installed.ts';
import { runMatcher } from '../../../bench/peers/matcherPass.ts';
import type { CompletedLeads } from '../../../bench/peers/run.ts';
import { workloadOf } from '../../../bench/peers/workload.ts';

const recordings = readRecordings();

/** Whether each case's own lead completed the case's own sequence. */
function answers(completed: CompletedLeads): boolean[] {
  return CASES.map((_, index) => completed[`case-${index}`]?.includes(`case-${index}`) === true);
}

describe('the peers benchmark without the peers', () => {
  it('says what installs them, and fails', () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'peers-'));
    const { status, stderr } = spawnSync(process.execPath, [resolve('dist/bench/run.js'), 'peers'], {
      cwd: elsewhere,
      encoding: 'utf8',
    });
    rmSync(elsewhere, { recursive: true });
    expect(stderr).toContain(INSTALL_COMMAND);
    expect(status).toBe(1);
  });

  it.each(recordings)('finds that the matcher completes what $versions completed', async (recording) => {
    expect(pairsOf(recording.completed).length).toBeGreaterThan(300);
    const ours = await runMatcher(workloadOf(recording.workload));
    expect(differences(recording.completed, ours.completed)).toEqual([]);
  });

  it('finds every pair that one has and the other has not', () => {
    expect(differences({ a: ['x', 'y'] }, { a: ['y'], b: ['x'] })).toEqual([
      'a lacks x',
      'b has x in addition',
    ]);
  });

  it('answers the cases by the rules', async () => {
    const { completed } = await runMatcher(workloadOf('cases'));
    expect(answers(completed)).toEqual(CASES.map(({ completes }) => completes));
  });
});

describe.runIf(arePeersInstalled())('the peers benchmark with the peers', () => {
  it('runs at a hundredth of its size, and all agree', async () => {
    const { tables } = await benchPeers(0.01, [1, 50]);
    const rows = tables[0]!.rows;
    expect(rows.map(({ sequences }) => sequences)).toEqual([1, 1, 1, 1, 50, 50, 50, 50]);
    expect(rows.at(-1)!['completed (sequence, lead)']).toBeGreaterThan(5);
  });

  it.each(PEERS)('finds with %s what was recorded', async (contestant) => {
    for (const { workload, completed, contestants } of recordings) {
      if (!contestants.includes(contestant)) continue;
      expect(differences(completed, (await contest({ contestant, workload })).completed)).toEqual([]);
    }
  });

  it.each([...PEERS, ...OTHER_MODES])(
    'finds where %s differs from the rules',
    async (contestant: Contestant) => {
      const { completed } = await contest({ contestant, workload: 'cases' });
      const expected = CASES.map(({ completes, otherwise }) =>
        otherwise.includes(contestant) ? !completes : completes,
      );
      expect(answers(completed)).toEqual(expected);
    },
  );
});
