import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ConfigError, loadConfig } from '../config/load.ts';
import { parseDurationMs } from '../config/values.ts';
import { parseInstant } from '../model/instant.ts';
import { type NewToken, ROLES, type Role, type TokenInfo } from '../model/token.ts';
import { openEnvironment } from '../store/environment.ts';
import { openTokenStore, type TokenStore } from '../store/tokens.ts';
import { EXIT_USAGE, parseOptions, UsageError } from './usage.ts';

const USAGE = `Manages the tokens of the HTTP API. Safe while the server runs: a change counts at once.

  npm run tokens -- create --ou OU --name NAME [--role ROLE] [--expires WHEN] [--rate N]
                                   prints a new token, once
  npm run tokens -- list [--ou OU]
                                   lists id, OU, name, creation, role, expiry, last use and rate
  npm run tokens -- revoke ID      makes a token invalid

OU is 1 to 64 letters, digits, - and _. NAME is 1 to 100 characters, to recognize the token by.
ROLE is read (sees everything), ingest (sends events, no more), write (both, and every change; the default) or
admin (that, and the tokens of the OU). WHEN is a duration such as 90d or 12h, or a date such as 2027-01-31 or
2027-01-31T12:00:00Z; without it the token does not expire. N is requests per second; without it API_RATE_MAX counts.`;

const RATE_PER_SECOND_MAX = 1_000_000;
const MICROS_PER_MS = 1_000;
const YEAR_2255_MS = Date.UTC(2255, 0, 1);
/** The options that go with `create` alone. */
const CREATE_OPTIONS = ['name', 'role', 'expires', 'rate'] as const;

type Command =
  | { readonly verb: 'create'; readonly ou: string; readonly wanted: NewToken }
  | { readonly verb: 'list'; readonly ou: string | undefined }
  | { readonly verb: 'revoke'; readonly id: string }
  | { readonly verb: 'help' };

/** Where the command writes: `out` is for the result, `err` for people. Each call is one line or more. */
export interface CommandOutput {
  out(text: string): void;
  err(text: string): void;
}

/**
 * Runs one command line (without `node` and the file name) on the store in `dataDir`, which is asked for
 * only once the command line is understood. Resolves to the exit code: 0 done, 1 not possible, 2 wrong usage.
 */
export async function runTokens(
  args: readonly string[],
  output: CommandOutput,
  dataDir: () => string = () => loadConfig().dataDir,
): Promise<number> {
  try {
    const command = parseCommand(args);
    if (command.verb === 'help') {
      output.out(USAGE);
      return 0;
    }
    return await withStore(dataDir(), (store) => execute(command, store, output));
  } catch (error) {
    if (error instanceof UsageError) {
      output.err(`${error.message}\n\n${USAGE}`);
      return EXIT_USAGE;
    }
    if (!(error instanceof ConfigError)) throw error;
    output.err(error.message);
    return 1;
  }
}

function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parseOptions({ args: [...args], options: OPTIONS, allowPositionals: true });
  const [verb, ...rest] = positionals;
  if (values.help === true || verb === 'help') return { verb: 'help' };
  switch (verb) {
    case 'create':
      requireNoMore(rest);
      return {
        verb,
        ou: validOu(required(values.ou, '--ou')),
        wanted: {
          name: validName(required(values.name, '--name')),
          role: validRole(values.role ?? 'write'),
          expiresAtMs: values.expires === undefined ? null : validExpiry(values.expires, Date.now()),
          ratePerSecond: values.rate === undefined ? null : validRate(values.rate),
        },
      };
    case 'list':
      requireNoMore(rest);
      for (const option of CREATE_OPTIONS) refuse(values[option], `--${option}`, verb);
      return { verb, ou: values.ou === undefined ? undefined : validOu(values.ou) };
    case 'revoke':
      requireNoMore(rest.slice(1));
      for (const option of CREATE_OPTIONS) refuse(values[option], `--${option}`, verb);
      refuse(values.ou, '--ou', verb);
      return { verb, id: required(rest[0], 'the ID of a token') };
    case undefined:
      throw new UsageError('A command is required: create, list or revoke.');
    default:
      throw new UsageError(`"${verb}" is not a command: use create, list or revoke.`);
  }
}

const OPTIONS = {
  ou: { type: 'string' },
  name: { type: 'string' },
  role: { type: 'string' },
  expires: { type: 'string' },
  rate: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

function required(value: string | undefined, what: string): string {
  if (value === undefined) throw new UsageError(`${what} is required.`);
  return value;
}

function requireNoMore(rest: readonly string[]): void {
  if (rest.length > 0) throw new UsageError(`"${rest.join(' ')}" is too much here.`);
}

function refuse(value: string | undefined, option: string, verb: string): void {
  if (value !== undefined) throw new UsageError(`${option} does not go with ${verb}.`);
}

function validOu(ou: string): string {
  if (/^[A-Za-z0-9_-]{1,64}$/.test(ou)) return ou;
  throw new UsageError(`--ou must be 1 to 64 letters, digits, - and _; got ${shown(ou)}.`);
}

function validName(name: string): string {
  const length = [...name].length;
  if (name.trim() !== '' && length <= 100 && !/\p{Cc}|\p{Surrogate}/u.test(name)) return name;
  throw new UsageError('--name must be 1 to 100 characters, not blank, without control characters.');
}

function validRole(role: string): Role {
  const known = ROLES.find((each) => each === role);
  if (known !== undefined) return known;
  throw new UsageError(`--role must be one of ${ROLES.join(', ')}; got ${shown(role)}.`);
}

/** A duration from now, or an instant or a date in UTC; in the future either way. */
function validExpiry(text: string, nowMs: number): number {
  const durationMs = /[a-z]$/.test(text) ? parseDurationMs(text) : null;
  const micros = parseInstant(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text);
  const expiresAtMs =
    durationMs !== null
      ? nowMs + durationMs
      : micros === undefined
        ? null
        : Math.floor(micros / MICROS_PER_MS);
  // Beyond that no date can be written.
  if (expiresAtMs !== null && expiresAtMs > nowMs && expiresAtMs <= YEAR_2255_MS) return expiresAtMs;
  throw new UsageError(
    `--expires must be a duration such as 90d or 12h, or a date such as 2027-01-31 in the future; got ${shown(text)}.`,
  );
}

function validRate(text: string): number {
  const rate = Number(text);
  if (/^\d{1,7}$/.test(text) && rate >= 1 && rate <= RATE_PER_SECOND_MAX) return rate;
  const limit = RATE_PER_SECOND_MAX.toLocaleString('en-US');
  throw new UsageError(`--rate must be an integer from 1 to ${limit}; got ${shown(text)}.`);
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

async function withStore<T>(dataDir: string, use: (store: TokenStore) => Promise<T>): Promise<T> {
  const environment = openEnvironment(dataDir);
  try {
    return await use(openTokenStore(environment));
  } finally {
    await environment.close();
  }
}

async function execute(
  command: Exclude<Command, { verb: 'help' }>,
  store: TokenStore,
  output: CommandOutput,
): Promise<number> {
  switch (command.verb) {
    case 'create': {
      const { token, info } = await store.create(command.ou, command.wanted);
      output.err(
        `Created ${info.id} for OU ${info.ou}, role ${info.role}. This is the only time the token is shown:`,
      );
      output.out(token);
      return 0;
    }
    case 'list': {
      const tokens = store.list(command.ou);
      for (const token of tokens) output.out(lineOf(token));
      if (tokens.length === 0) output.err('There are no tokens.');
      return 0;
    }
    case 'revoke':
      if (await store.revoke(command.id)) {
        output.err(`Revoked ${command.id}.`);
        return 0;
      }
      output.err(`There is no token with the id ${shown(command.id)}; see list.`);
      return 1;
  }
}

function lineOf({
  id,
  ou,
  name,
  createdAtMs,
  role,
  expiresAtMs,
  lastUsedAtMs,
  ratePerSecond,
}: TokenInfo): string {
  const iso = (timeMs: number | null) => (timeMs === null ? 'never' : new Date(timeMs).toISOString());
  const rate = ratePerSecond === null ? '-' : `${ratePerSecond}/s`;
  return [id, ou, name, iso(createdAtMs), role, iso(expiresAtMs), iso(lastUsedAtMs), rate].join('\t');
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runTokens(process.argv.slice(2), {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
  });
}
