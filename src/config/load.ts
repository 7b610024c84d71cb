import { accessSync, constants, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { z } from 'zod';
import { packageDirectory } from './packageDirectory.ts';
import { type Config, type ConfigKey, configSchema, keys, SECRET_KEYS } from './schema.ts';

export type { Config } from './schema.ts';

/** A configuration that cannot be used. The message is one line, fit to be printed as it is. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** A value and where it was set, for the message when it is wrong. */
interface Setting {
  readonly value: unknown;
  readonly source: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The effective configuration: `config/default.json`, overridden by the file named in CONFIG_FILE,
 * overridden by the environment. An empty variable counts as unset. Relative paths are taken from `cwd`.
 * Throws ConfigError on an unreadable file, an unknown key in a file, or a value that is not allowed.
 */
export function loadConfig(options: { env?: Environment; cwd?: string } = {}): Config {
  const env = options.env ?? process.env;
  const cwd = options.cwd ?? process.cwd();
  const settings = new Map<string, Setting>();
  readFile(join(packageDirectory(), 'config', 'default.json'), settings);
  readGiven(env, cwd, settings);

  const raw = Object.fromEntries([...settings].map(([key, setting]) => [key, setting.value]));
  const parsed = configSchema.safeParse(raw);
  if (!parsed.success) throw new ConfigError(explain(parsed.error, settings));
  const config = parsed.data;
  return {
    ...config,
    dataDir: resolve(cwd, config.dataDir),
    natsCredsFile: readablePath('NATS_CREDS_FILE', config.natsCredsFile, cwd),
    webhookCaFile: readablePath('WEBHOOK_CA_FILE', config.webhookCaFile, cwd),
  };
}

/** The keys that a file or the environment sets, whatever to. Throws ConfigError on a file that cannot be used. */
export function givenKeys(
  env: Environment = process.env,
  cwd: string = process.cwd(),
): ReadonlySet<ConfigKey> {
  const settings = new Map<string, Setting>();
  readGiven(env, cwd, settings);
  return new Set(settings.keys()) as ReadonlySet<ConfigKey>;
}

function readGiven(env: Environment, cwd: string, settings: Map<string, Setting>): void {
  if (env.CONFIG_FILE) readFile(resolve(cwd, env.CONFIG_FILE), settings);
  readEnvironment(env, settings);
}

/** Without it every connection would fail, and only much later. */
function readablePath(key: ConfigKey, relative: string | null, cwd: string): string | null {
  if (relative === null) return null;
  const path = resolve(cwd, relative);
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch {
    throw new ConfigError(`${key} is "${path}", which cannot be read; allowed: a readable file`);
  }
}

/** The directories to look for programs in, as the shell has them (PATH). */
export function executablePath(env: Environment = process.env): string {
  return env.PATH ?? '';
}

/** The configuration for one log line: what is secret in it is hidden. */
export function describeConfig(config: Config): Record<string, unknown> {
  const secrets = [...SECRET_KEYS].map((key) => {
    const name = propertyOf(key);
    return [name, config[name] === null ? null : hide(key, config[name])] as const;
  });
  return {
    ...config,
    ...Object.fromEntries(secrets),
    apiTokens: config.apiTokens.map((entry) => `${entry.ou}=${HIDDEN}`),
  };
}

/** Shorter ones can be guessed. */
const TOKEN_CHARACTERS_MIN = 16;

/** What is allowed and unwise, a sentence each, without secrets. */
export function warningsOf({ apiTokens }: Config): readonly string[] {
  const ous = new Set(
    apiTokens.filter(({ token }) => token.length < TOKEN_CHARACTERS_MIN).map(({ ou }) => ou),
  );
  return [...ous].map(
    (ou) =>
      `a token of OU ${ou} in API_TOKENS has fewer than ${TOKEN_CHARACTERS_MIN} characters and may be guessed`,
  );
}

const HIDDEN = '(hidden)';

/** A URL without its credentials; its query goes too, since options there may be secret as well. */
function hideUserInfo(value: string): string {
  const url = URL.canParse(value) ? new URL(value) : null;
  // Without a host it is no URL of a server, and a password may be anywhere in it.
  if (url === null || url.host === '') return HIDDEN;
  const userInfo = url.username === '' && url.password === '' ? '' : `${HIDDEN}@`;
  return `${url.protocol}//${userInfo}${url.host}${url.pathname === '/' ? '' : url.pathname}`;
}

function readFile(path: string, settings: Map<string, Setting>): void {
  const value = parseFile(path);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ConfigError(`configuration file ${path}: expected a JSON object of keys and values`);
  }
  for (const [key, entry] of Object.entries(value)) {
    if (!Object.hasOwn(keys, key)) {
      const known = Object.keys(keys).join(', ');
      throw new ConfigError(
        `configuration file ${path}: unknown key ${JSON.stringify(key)}; allowed are ${known}`,
      );
    }
    settings.set(key, { value: entry, source: `file ${path}` });
  }
}

function parseFile(path: string): unknown {
  let content: string;
  try {
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw new ConfigError(`configuration file ${path} cannot be read (${code})`);
  }
  try {
    return JSON.parse(content);
  } catch {
    // The parser's own message quotes the text around the error, which may be a secret.
    throw new ConfigError(`configuration file ${path} is not valid JSON`);
  }
}

function readEnvironment(env: Environment, settings: Map<string, Setting>): void {
  for (const key of Object.keys(keys)) {
    const value = env[key];
    if (value !== undefined && value.trim() !== '')
      settings.set(key, { value: value.trim(), source: 'environment' });
  }
}

/** One line on the first problem: key, source, value, and what is allowed instead. */
function explain(error: z.ZodError, settings: ReadonlyMap<string, Setting>): string {
  const issue = error.issues[0];
  const key = String(issue?.path[0]) as ConfigKey;
  const allowed = allowedFor(key);
  const setting = settings.get(key);
  if (issue?.code === 'custom' && typeof issue.params?.because === 'string') {
    return `${key} must be set because ${issue.params.because}: allowed is ${allowed}`;
  }
  if (setting === undefined) return `${key} has no value: allowed is ${allowed}`;
  return `${key} (${setting.source}) is ${show(key, setting.value)}: allowed is ${allowed}`;
}

function allowedFor(key: ConfigKey): string {
  const schema: z.ZodType = keys[key];
  if (schema.description !== undefined) return schema.description;
  // A key that may be unset wraps the schema that carries the description.
  return (schema as z.ZodNullable<z.ZodType>).unwrap().description ?? 'another value';
}

function show(key: ConfigKey, value: unknown): string {
  return SECRET_KEYS.has(key) ? hide(key, value) : JSON.stringify(value).slice(0, 200);
}

/** What of a secret may be shown. */
function hide(key: ConfigKey, value: unknown): string {
  return key.endsWith('_URL') && typeof value === 'string' ? hideUserInfo(value) : HIDDEN;
}

/** `NATS_URL` is `natsUrl` in the configuration. */
function propertyOf(key: ConfigKey): keyof Config {
  return key.toLowerCase().replace(/_(.)/g, (_match, letter: string) => letter.toUpperCase()) as keyof Config;
}
