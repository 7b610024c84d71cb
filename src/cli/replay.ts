import { createReadStream } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import { type Duplex, PassThrough, pipeline } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { loadConfig } from '../config/load.ts';
import { openConnection } from '../stream/connection.ts';
import { messageOf } from '../stream/ports.ts';
import { type ReplayProgress, replayLines, splitLines } from '../stream/replay.ts';
import { serverUrlPath } from '../stream/server.ts';
import { subjectOfOu } from '../stream/subject.ts';
import { parseReplayArguments, USAGE } from './replayArguments.ts';
import { EXIT_USAGE, UsageError } from './usage.ts';

const CONNECT_ATTEMPTS_MAX = 3;
const REPORT_EVERY_MS = 250;
const REPORT_LINES_EVERY_MS = 5_000;
const BAR_CELLS = 30;

/** NATS_URL, or the embedded server of the program that runs on the same DATA_DIR. */
async function serverUrl(natsUrl: string | null, dataDir: string): Promise<string> {
  if (natsUrl !== null) return natsUrl;
  try {
    return (await readFile(serverUrlPath(dataDir), 'utf8')).trim();
  } catch {
    throw new Error(
      `NATS_URL is not set and no program runs on DATA_DIR ${dataDir}; start it first (npm start), or set NATS_URL`,
    );
  }
}

/** The file's content, unpacked. */
function openFile(file: string): Duplex {
  const content: Duplex = file.endsWith('.gz') ? createGunzip() : new PassThrough();
  // An error of either ends the other; it reaches us where the content is read.
  pipeline(createReadStream(file), content, () => undefined);
  return content;
}

/** One pass ahead, for the progress: bytes read say little, since small files are read at once. */
async function countLines(file: string): Promise<number> {
  let lines = 0;
  try {
    for await (const _line of splitLines(openFile(file))) lines += 1;
  } catch {
    // The replay itself says what is wrong with the file, after what can be published was.
  }
  return lines;
}

function bar(fraction: number, { published }: ReplayProgress, startedAtMs: number): string {
  const filled = Math.round(Math.min(1, fraction) * BAR_CELLS);
  const perSecond = Math.round(published / Math.max(0.001, (Date.now() - startedAtMs) / 1_000));
  const cells = '█'.repeat(filled) + '░'.repeat(BAR_CELLS - filled);
  return `${cells} ${Math.round(fraction * 100)} %  ${published} events  ${perSecond}/s`;
}

/** A bar that is drawn over itself on a terminal, a plain line now and then elsewhere. */
function showProgress(line: () => string): () => void {
  const isTerminal = process.stderr.isTTY;
  const draw = (): void => {
    process.stderr.write(isTerminal ? `\r\u001b[K${line()}` : `${line()}\n`);
  };
  const timer = setInterval(draw, isTerminal ? REPORT_EVERY_MS : REPORT_LINES_EVERY_MS);
  return () => {
    clearInterval(timer);
    if (isTerminal) process.stderr.write(`\r\u001b[K${line()}\n`);
  };
}

const logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (_fields: object, message: string) => process.stderr.write(`${message}\n`),
  error: (_fields: object, message: string) => process.stderr.write(`${message}\n`),
};

/**
 * `npm run replay`: lines that the program will reject are published too, so that they show up among the rejected
 * events, and are named at the end.
 */
async function main(): Promise<void> {
  const given = parseReplayArguments(process.argv.slice(2));
  if (given === null) {
    process.stdout.write(`${USAGE}\n`);
    return;
  }
  const { file, ou, rate } = given;
  const config = loadConfig();
  await access(file);
  const connection = await openConnection(
    {
      url: await serverUrl(config.natsUrl, config.dataDir),
      credsFile: config.natsCredsFile,
      token: config.natsToken,
      name: 'sequence-triggers replay',
      attemptsMax: CONNECT_ATTEMPTS_MAX,
    },
    logger,
  );
  const lines = await countLines(file);
  const progress: ReplayProgress = { published: 0, blank: 0, bad: 0, firstBad: [] };
  const startedAtMs = Date.now();
  const finish = showProgress(() =>
    bar(lines === 0 ? 1 : (progress.published + progress.blank) / lines, progress, startedAtMs),
  );
  try {
    const target = { subject: subjectOfOu(config.eventsSubject, ou), rate };
    await replayLines(connection.nats, splitLines(openFile(file)), target, progress);
  } catch (error) {
    process.exitCode = 1;
    process.stderr.write(`${file}: ${messageOf(error)}\n`);
  } finally {
    finish();
    await connection.close();
  }
  for (const { line, reason } of progress.firstBad) process.stdout.write(`line ${line}: ${reason}\n`);
  const more = progress.bad - progress.firstBad.length;
  if (more > 0) process.stdout.write(`… and ${more} more bad lines\n`);
  const seconds = ((Date.now() - startedAtMs) / 1_000).toFixed(1);
  process.stdout.write(
    `published ${progress.published} events to OU ${ou} in ${seconds} s; ${progress.bad} of them will be rejected\n`,
  );
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError;
  process.stderr.write(`${messageOf(error)}\n${isUsage ? `\n${USAGE}\n` : ''}`);
  process.exitCode = isUsage ? EXIT_USAGE : 1;
});
