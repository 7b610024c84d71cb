import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { ConfigError, loadConfig } from '../config/load.ts';
import { openEnvironment } from '../store/environment.ts';
import { openTokenStore, type TokenStore } from '../store/tokens.ts';

const USAGE = `Manages the tokens of the HTTP API. Safe while the server runs: a change counts at once.

  npm run tokens -- create --ou OU --name NAME   prints a new token, once
  npm run tokens -- list [--ou OU]               lists id, OU, name and date of creation
  npm run tokens -- revoke ID                    makes a token invalid

OU is 1 to 64 letters, digits, - and _. NAME is 1 to 100 characters, to recognize the token by.`;

type Command =
  | { readonly verb: 'create'; readonly ou: string; readonly name: string }
  | { readonly verb: 'list'; readonly ou: string | undefined }
  | { readonly verb: 'revoke'; readonly id: string }
  | { readonly verb: 'help' };

/** Where the command writes: `out` is for the result, `err` for people. Each call is one line or more. */
export interface CommandOutput {
  out(text: string): void;
  err(text: string): void;
}

/** A command line that cannot be understood; the message says what to change. */
class UsageError extends Error {}

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
      return 2;
    }
    if (!(error instanceof ConfigError)) throw error;
    output.err(error.message);
    return 1;
  }
}

function parseCommand(args: readonly string[]): Command {
  const { values, positionals } = parseOptions(args);
  const [verb, ...rest] = positionals;
  if (values.help === true || verb === 'help') return { verb: 'help' };
  switch (verb) {
    case 'create':
      requireNoMore(rest);
      return {
        verb,
        ou: validOu(required(values.ou, '--ou')),
        name: validName(required(values.name, '--name')),
      };
    case 'list':
      requireNoMore(rest);
      refuse(values.name, '--name', verb);
      return { verb, ou: values.ou === undefined ? undefined : validOu(values.ou) };
    case 'revoke':
      requireNoMore(rest.slice(1));
      refuse(values.name, '--name', verb);
      refuse(values.ou, '--ou', verb);
      return { verb, id: required(rest[0], 'the ID of a token') };
    case undefined:
      throw new UsageError('A command is required: create, list or revoke.');
    default:
      throw new UsageError(`"${verb}" is not a command: use create, list or revoke.`);
  }
}

function parseOptions(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: { ou: { type: 'string' }, name: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

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
  throw new UsageError(
    `--ou must be 1 to 64 letters, digits, - and _; got ${JSON.stringify(ou.slice(0, 80))}.`,
  );
}

function validName(name: string): string {
  const length = [...name].length;
  if (name.trim() !== '' && length <= 100 && !/\p{Cc}|\p{Surrogate}/u.test(name)) return name;
  throw new UsageError('--name must be 1 to 100 characters, not blank, without control characters.');
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
      const { token, info } = await store.create(command.ou, command.name);
      output.err(`Created ${info.id} for OU ${info.ou}. This is the only time the token is shown:`);
      output.out(token);
      return 0;
    }
    case 'list': {
      const tokens = store.list(command.ou);
      for (const { id, ou, name, createdAtMs } of tokens) {
        output.out([id, ou, name, new Date(createdAtMs).toISOString()].join('\t'));
      }
      if (tokens.length === 0) output.err('There are no tokens.');
      return 0;
    }
    case 'revoke':
      if (await store.revoke(command.id)) {
        output.err(`Revoked ${command.id}.`);
        return 0;
      }
      output.err(`There is no token with the id ${JSON.stringify(command.id.slice(0, 80))}; see list.`);
      return 1;
  }
}

const entry = process.argv[1];
if (entry !== undefined && realpathSync(entry) === fileURLToPath(import.meta.url)) {
  process.exitCode = await runTokens(process.argv.slice(2), {
    out: (text) => process.stdout.write(`${text}\n`),
    err: (text) => process.stderr.write(`${text}\n`),
  });
}
