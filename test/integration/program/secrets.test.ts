import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startNats, type TestServer, waitFor } from '../../support/nats.ts';
import { type RunningProgram, startProgram, TOKEN, temporaryDataDir } from '../../support/program.ts';
import { answerWith, type Receiver, startReceiver } from '../../support/receivers.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SMTP_PASSWORD = 'smtp-pass/word+7f3a';
const NATS_PASSWORD = 'nats-pass-91bc';
const WRONG_TOKEN = 'st_wrong-token-55aa';
const MISPLACED = 'misplaced-password-c0de';

/** A secret as it could stand in a log or a file: as it is, and as headers, URLs and logins carry it. */
function formsOf(secret: string): string[] {
  const login = Buffer.from(`\0user\0${secret}`).toString('base64');
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64'), login];
}

/** The secrets of which some form occurs in a text. */
function secretsIn(text: string, secrets: readonly string[]): string[] {
  return secrets.filter((secret) => formsOf(secret).some((form) => text.includes(form)));
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** An SMTP server that takes no login, so that the password is sent and refused. */
async function startRefusingSmtp(): Promise<{
  readonly url: string;
  readonly logins: string[];
  stop(): Promise<void>;
}> {
  const logins: string[] = [];
  const server = new SMTPServer({
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth({ password }, _session, callback) {
      logins.push(String(password));
      callback(new Error('these credentials are not good'));
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.server.address() as AddressInfo;
  const url = `smtp://user:${encodeURIComponent(SMTP_PASSWORD)}@127.0.0.1:${port}?requireTLS=false`;
  return { url, logins, stop: () => new Promise((resolve) => server.close(() => resolve())) };
}

describe('a program at its most talkative, with a secret in every place that takes one', () => {
  const dataDir = temporaryDataDir();
  const answers: string[] = [];
  const signingSecrets: string[] = [];
  let nats: TestServer;
  let receiver: Receiver;
  let smtp: Awaited<ReturnType<typeof startRefusingSmtp>>;
  let program: RunningProgram;
  let managedToken = '';
  let log = '';

  /** Calls the API and keeps the answer, headers included. Answers that are to show a secret are not kept. */
  async function call(
    method: string,
    path: string,
    body?: object,
    { token = TOKEN, isKept = true }: { readonly token?: string; readonly isKept?: boolean } = {},
  ): Promise<{ readonly status: number; readonly json: Record<string, unknown> }> {
    const answer = await fetch(`${program.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (isKept) answers.push(`${JSON.stringify([...answer.headers])}\n${text}`);
    return { status: answer.status, json: text.startsWith('{') ? JSON.parse(text) : {} };
  }

  async function attemptsOf(channel: string): Promise<number> {
    const { json } = await call('GET', '/deliveries');
    const deliveries = json.deliveries as { id: string; channel: string }[];
    const found = deliveries.find((delivery) => delivery.channel === channel);
    if (found === undefined) return 0;
    const { attempts } = (await call('GET', `/deliveries/${found.id}`)).json as { attempts: unknown[] };
    return attempts.length;
  }

  beforeAll(async () => {
    nats = await startNats();
    receiver = await startReceiver(answerWith(500, 'out of order'));
    smtp = await startRefusingSmtp();
    const env = {
      NATS_URL: `nats://user:${NATS_PASSWORD}@127.0.0.1:${nats.port}`,
      SMTP_URL: smtp.url,
      EMAIL_FROM: 'alerts@example.com',
      RETRY_SCHEDULE: '0s,100ms,100ms,1h',
      CHECKPOINT_INTERVAL_MS: '100',
      LOG_LEVEL: 'trace',
    };
    program = await startProgram({ dataDir: dataDir.path, env });

    const created = spawnSync(
      process.execPath,
      ['dist/src/cli/tokens.js', 'create', '--ou', 'default', '--name', 'ci'],
      {
        cwd: ROOT,
        env: { PATH: process.env.PATH, DATA_DIR: dataDir.path },
        encoding: 'utf8',
      },
    );
    managedToken = /st_[\w-]+/.exec(created.stdout)?.[0] ?? '';
    const sequence = {
      name: 'looked for in the file',
      event_types: ['step'],
      window_seconds: 60,
      webhook_url: `${receiver.url}/hook`,
      emails: ['sales@example.com'],
    };
    const { json } = await call('POST', '/sequences', sequence, { token: managedToken, isKept: false });
    const { json: rotated } = await call('POST', `/sequences/${json.id}/rotate-secret`, undefined, {
      isKept: false,
    });
    signingSecrets.push(String(json.webhook_secret), String(rotated.webhook_secret));

    await call('PUT', `/sequences/${json.id}`, { name: 'looked for in the file' });
    await call('GET', '/sequences', undefined, { token: WRONG_TOKEN });
    await call('GET', `/sequences?token=${MISPLACED}`);
    await call('POST', '/sequences', { ...sequence, webhook_url: `https://user:${MISPLACED}@example.com/` });
    await call('POST', '/ingest', { lead_id: 'lead-1', event_type: 'step' });
    await waitFor('failed attempts by webhook', async () => (await attemptsOf('webhook')) >= 2);
    await waitFor('failed attempts by email', async () => (await attemptsOf('email')) >= 2);
    await nats.kill();
    await waitFor('the lost connection', () => program.log().includes('disconnected from NATS'));
    await call('POST', '/ingest', { lead_id: 'lead-2', event_type: 'step' });
    await nats.start();
    await waitFor('readiness', async () => (await call('GET', '/readyz')).status === 200);
    for (const path of [
      '/sequences',
      `/sequences/${json.id}`,
      '/sequence-events',
      '/deliveries',
      '/rejected-events',
      '/readyz',
      '/metrics',
    ]) {
      await call('GET', path);
    }
    await program.stop();
    log = program.log();
  });

  afterAll(async () => {
    await receiver?.close();
    await smtp?.stop();
    await nats?.stop();
    dataDir.remove();
  });

  it('did use all of them, so that what follows means something', () => {
    expect(managedToken).toMatch(/^st_.{40,}$/);
    expect(smtp.logins).toContain(SMTP_PASSWORD);
    for (const secret of signingSecrets) expect(secret).toMatch(/^whsec_.{30,}$/);
    expect(new Set(signingSecrets).size).toBe(2);
    expect(receiver.requests.length).toBeGreaterThanOrEqual(2);
    expect(log).toContain('"level":"debug"');
    expect(log).toContain('these credentials are not good');
    expect(answers.length).toBeGreaterThan(15);
  });

  const secrets = () => [
    TOKEN,
    managedToken,
    ...signingSecrets,
    SMTP_PASSWORD,
    NATS_PASSWORD,
    WRONG_TOKEN,
    MISPLACED,
  ];

  it('logs none of them', () => {
    expect(secretsIn(log, secrets())).toEqual([]);
    const keys = signingSecrets.map((secret) => secret.slice('whsec_'.length));
    expect(secretsIn(log, keys)).toEqual([]);
  });

  it('answers with none of them, but for a signing secret when it is made', () => {
    const text = answers.join('\n');
    expect(secretsIn(text, secrets())).toEqual([]);
  });

  it('sends receivers none of them', () => {
    const text = JSON.stringify(receiver.requests);
    expect(secretsIn(text, [TOKEN, managedToken, ...signingSecrets, SMTP_PASSWORD, NATS_PASSWORD])).toEqual(
      [],
    );
  });

  it('keeps tokens on disk as hashes only, and passwords not at all', () => {
    const files = filesBelow(dataDir.path).map((path) => readFileSync(path).toString('latin1'));
    const disk = files.join('\n');
    expect(disk).toContain('looked for in the file');
    expect(disk).toContain(createHash('sha256').update(managedToken).digest('hex'));
    expect(
      secretsIn(disk, [TOKEN, managedToken, SMTP_PASSWORD, NATS_PASSWORD, WRONG_TOKEN, MISPLACED]),
    ).toEqual([]);
    // A signature needs its key: whoever reads the data directory can sign.
    expect(secretsIn(disk, signingSecrets)).toEqual(signingSecrets);
  });
});

// Starts take a second of a core each; half of the cores of a small machine would be idle.
describe.concurrent('a start that fails on its configuration', () => {
  const dataDir = temporaryDataDir();
  const secret = MISPLACED;
  const fileOf = (name: string, content: string): string => {
    const path = join(dataDir.path, name);
    writeFileSync(path, content);
    return path;
  };

  afterAll(() => dataDir.remove());

  it.each<[string, Record<string, string>]>([
    ['a token without an OU', { API_TOKENS: secret }],
    ['a token of an OU that cannot be', { API_TOKENS: `no ou=${secret}` }],
    ['a token that stands twice', { API_TOKENS: `a=${secret},b=${secret}` }],
    ['a token with a space', { API_TOKENS: `a=${secret} x` }],
    ['a NATS URL of another scheme', { NATS_URL: `http://user:${secret}@localhost:4222` }],
    ['a NATS URL without a host', { NATS_URL: `nats:user:${secret}@` }],
    ['a NATS URL with a port that cannot be', { NATS_URL: `nats://user:${secret}@localhost:99999` }],
    ['a NATS token with a space', { NATS_TOKEN: `${secret} x` }],
    [
      'an SMTP URL of another scheme',
      { SMTP_URL: `https://user:${secret}@localhost`, EMAIL_FROM: 'a@example.com' },
    ],
    [
      'an SMTP URL without slashes',
      { SMTP_URL: `smtp:user:${secret}@localhost`, EMAIL_FROM: 'a@example.com' },
    ],
    ['an SMTP URL without a sender', { SMTP_URL: `smtp://user:${secret}@localhost` }],
    [
      'a file that is no JSON',
      { CONFIG_FILE: fileOf('broken.json', `{"SMTP_URL": "smtp://user:${secret}@h",,}`) },
    ],
    ['a file with an unknown key', { CONFIG_FILE: fileOf('unknown.json', `{"SMTP_PASSWORD": "${secret}"}`) }],
    [
      'a file with tokens as an object',
      { CONFIG_FILE: fileOf('object.json', `{"API_TOKENS": {"a": "${secret}"}}`) },
    ],
  ])('says so in one line without the secret: %s', async (what, env) => {
    const child = spawn(process.execPath, ['dist/src/main.js'], {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        DATA_DIR: join(dataDir.path, what),
        HTTP_PORT: '0',
        LOG_LEVEL: 'trace',
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 20_000,
    });
    const [stdout, stderr, [status]] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      once(child, 'close'),
    ]);
    expect(status).toBe(1);
    expect(stderr.trimEnd()).toMatch(/^sequence-triggers: [^\n]+$/);
    expect(secretsIn(stdout + stderr, [secret])).toEqual([]);
  });
});
