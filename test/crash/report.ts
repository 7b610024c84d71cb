import type { CampaignResult } from './campaign.ts';
import type { Difference } from './comparison.ts';
import type { Kill } from './strikes.ts';

const DIFFERENCES_SHOWN = 5;
const DETAIL_CHARACTERS_MAX = 3_000;
/** Kills this close to a fire are told with it. */
const AROUND_MS = 5_000;

/** What a campaign did and found, for people; the last line is the command that repeats its plan. */
export function describe(result: CampaignResult): string {
  const { seed, kills, unanswered, checkpointsCutOff, directory } = result;
  const figures = figuresOf(result);
  const verdict =
    result.differences.length === 0 ? 'PASS' : `FAIL (${result.differences.length} differences)`;
  return [
    `seed ${seed}: ${verdict}`,
    `  kills      ${kills.length}: ${countsOf(kills)}; ${checkpointsCutOff} of them cut off a checkpoint`,
    `  events     ${figures.events} messages in the stream, ${figures.rejected} of them rejected`,
    `  changes    ${figures.changes}; ${unanswered.length} requests without an answer, of which ${unanswered.filter((one) => one.tookEffect).length} took effect`,
    `  fires      ${figures.fires}`,
    `  received   ${figures.received} webhooks, ${figures.repeated} of them again under the same id`,
    `  restarts   ${figures.restarts} of the program`,
    `  seconds    ${figures.seconds}`,
    ...result.differences.slice(0, DIFFERENCES_SHOWN).map((one) => describeDifference(one, result)),
    ...(directory === null ? [] : [`data, logs and what was received: ${directory}`]),
    `again: npm run test:crash -- --kills ${kills.length} --seed ${seed}`,
  ].join('\n');
}

/** One line for each campaign, and their sum. */
export function describeTable(results: readonly CampaignResult[]): string {
  const columns = [
    'seed',
    'kills',
    'events',
    'changes',
    'fires',
    'received',
    'repeated',
    'restarts',
    'seconds',
  ];
  const rows = results.map((result) => ({
    seed: result.seed,
    kills: result.kills.length,
    ...figuresOf(result),
    verdict: result.differences.length === 0 ? 'PASS' : 'FAIL',
  }));
  const line = (cells: readonly (string | number)[], verdict: string) =>
    `${cells.map((cell) => String(cell).padStart(10)).join(' ')} ${verdict}`;
  const cellsOf = (row: (typeof rows)[number]) => columns.map((column) => row[column as 'kills']);
  const sums = columns.slice(1).map((column) => rows.reduce((sum, row) => sum + row[column as 'kills'], 0));
  const isAllRight = rows.every(({ verdict }) => verdict === 'PASS');
  return [
    line(columns, ''),
    ...rows.map((row) => line(cellsOf(row), row.verdict)),
    line(['together', ...sums], isAllRight ? 'PASS' : 'FAIL'),
  ].join('\n');
}

function figuresOf({ messages, changes, expected, observed, seconds }: CampaignResult) {
  const { received, histories, loadedPositions } = observed;
  return {
    events: messages.length,
    rejected: [...expected.rejections.values()].reduce((sum, one) => sum + one.size, 0),
    changes: changes.length,
    fires: histories.reduce((sum, { fires }) => sum + fires.length, 0),
    received: received.length,
    repeated: received.length - new Set(received.map(({ id }) => id)).size,
    restarts: loadedPositions.length - 1,
    seconds: Math.round(seconds),
  };
}

function countsOf(kills: readonly Kill[]): string {
  const counts = new Map<string, number>();
  for (const { target, moment } of kills) {
    const name = `${target} ${moment}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts]
    .sort()
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

function describeDifference({ what, fire, detail }: Difference, result: CampaignResult): string {
  const lines = [`- ${what}`];
  if (fire !== undefined) lines.push(`  it must be: ${JSON.stringify(fire)}`, ...surroundings(fire, result));
  if (detail !== undefined) lines.push(`  it is: ${JSON.stringify(detail).slice(0, DETAIL_CHARACTERS_MAX)}`);
  return lines.join('\n');
}

/** The messages of the lead, the changes of the sequence and the kills about that time. */
function surroundings(fire: NonNullable<Difference['fire']>, result: CampaignResult): string[] {
  const atMs = fire.arrivalMicros / 1_000;
  const timeOf = (ms: number) => new Date(ms).toISOString().slice(11, 23);
  const isNear = (ms: number) => Math.abs(ms - atMs) < AROUND_MS;
  const messages = result.messages
    .filter(
      ({ text, subject }) => text.includes(JSON.stringify(fire.leadId)) && subject.split('.')[1] === fire.ou,
    )
    .map(({ sequence, arrivalMicros, text }) => `#${sequence} at ${timeOf(arrivalMicros / 1_000)} ${text}`);
  const changes = result.changes
    .filter(({ id }) => id === fire.sequence.id)
    .map(
      ({ position, after }) =>
        `after #${position}: ${after === null ? 'deleted' : JSON.stringify(after.body)}`,
    );
  const kills = result.kills
    .filter(({ atMs }) => isNear(atMs))
    .map(({ atMs, target, moment }) => `${timeOf(atMs)} ${target} (${moment})`);
  return [
    `  events of the lead:\n    ${messages.join('\n    ')}`,
    `  changes of the sequence:\n    ${changes.join('\n    ')}`,
    `  kills within ${AROUND_MS / 1_000} s of ${timeOf(atMs)}: ${kills.join(', ') || 'none'}`,
  ];
}
