import { type Logger, pino, stdSerializers } from 'pino';
import pretty from 'pino-pretty';
import { LinesTogether } from './linesTogether.ts';

export type { Logger } from 'pino';

export interface LogOptions {
  readonly level: string;
  /** null: pretty on a terminal, json otherwise. */
  readonly format: 'json' | 'pretty' | null;
  /** Where the lines go; standard output by default. */
  readonly destination?: NodeJS.WritableStream;
}

/** Fields that are secret wherever they turn up. The rooms do not log them; this is the second lock. */
const SECRET_FIELDS = [
  'authorization',
  'cookie',
  'password',
  'pass',
  'secret',
  'token',
  'natsToken',
  'apiTokens',
  'webhookSecret',
  'previousWebhookSecrets',
];

/** How deep in a logged object the fields are looked for. */
const SECRET_DEPTH = 3;

/**
 * The log of the process: one JSON object a line with `level`, `time` (ISO 8601, UTC) and `msg`, or lines for
 * people. The lines of one run of code are written together when it ends, and before the process does, so that the
 * last line before a crash is there to be read: only an end by force in the midst of a run takes its lines along.
 */
export function createLog(options: LogOptions): Logger {
  const format = options.format ?? (process.stdout.isTTY ? 'pretty' : 'json');
  const settings = {
    level: options.level,
    base: null,
    timestamp: isoTimes(),
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: stdSerializers.err, error: errorSerializer },
    redact: { paths: secretPaths(), censor: '(hidden)' },
  };
  const to = options.destination ?? process.stdout;
  if (format === 'json') return pino(settings, options.destination ?? standardOutput());
  const colorize = to === process.stdout && process.stdout.isTTY;
  return pino(settings, pretty({ destination: to, sync: true, translateTime: 'SYS:HH:MM:ss.l', colorize }));
}

let lines: LinesTogether | null = null;

/** One for all logs of the process, which it serves to its end. */
function standardOutput(): LinesTogether {
  if (lines !== null) return lines;
  const made = new LinesTogether(pino.destination({ sync: true }));
  process.on('exit', () => made.flush());
  lines = made;
  return made;
}

/** The field of the time now; its text serves all lines of a millisecond, of which a rush has dozens. */
function isoTimes(): () => string {
  let lastMs = Number.NaN;
  let field = '';
  return () => {
    const nowMs = Date.now();
    if (nowMs !== lastMs) field = `,"time":"${new Date(nowMs).toISOString()}"`;
    lastMs = nowMs;
    return field;
  };
}

/** Under `error` stands an Error in some rooms, a word in others. */
function errorSerializer(value: unknown): unknown {
  return value instanceof Error ? stdSerializers.err(value) : value;
}

function secretPaths(): string[] {
  const prefixes = Array.from({ length: SECRET_DEPTH }, (_, depth) => '*.'.repeat(depth));
  return prefixes.flatMap((prefix) => SECRET_FIELDS.map((field) => `${prefix}${field}`));
}
