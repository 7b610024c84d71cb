import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConfigError, describeConfig, givenKeys, loadConfig, warningsOf } from '../../../src/config/load.ts';
import { keys } from '../../../src/config/schema.ts';
import { parseDurationMs } from '../../../src/config/values.ts';

const directory = mkdtempSync(join(tmpdir(), 'config-test-'));
afterAll(() => rmSync(directory, { recursive: true }));

let filesWritten = 0;
function fileWith(content: unknown): string {
  filesWritten += 1;
  const path = join(directory, `config-${filesWritten}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

const load = (env: Record<string, string>) => loadConfig({ env, cwd: '/srv/app' });

function refusal(env: Record<string, string>): string {
  try {
    load(env);
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
  throw new Error(`accepted: ${JSON.stringify(env)}`);
}

describe('the defaults', () => {
  it('name every key of the schema, and no other', () => {
    const defaults = JSON.parse(
      readFileSync(new URL('../../../config/default.json', import.meta.url), 'utf8'),
    ) as object;
    expect(Object.keys(defaults).sort()).toEqual(Object.keys(keys).sort());
  });

  it('are those of the contract', () => {
    expect(load({})).toEqual({
      httpHost: '127.0.0.1',
      httpPort: 8080,
      dataDir: '/srv/app/data',
      natsUrl: null,
      natsPort: 0,
      natsServerBin: null,
      natsCredsFile: null,
      natsToken: null,
      eventsStream: 'EVENTS',
      eventsSubject: 'events.>',
      eventsMaxAgeMs: 45 * 86_400_000,
      allowedLatenessSeconds: 86_400,
      futureSkewSeconds: 300,
      checkpointIntervalMs: 5_000,
      onStreamMismatch: 'halt',
      heldEventsMax: 4_096,
      sequencesMax: 10_000,
      apiTokens: [],
      apiRateMax: 10_000,
      corsOrigins: [],
      webhookAllowCidrs: [],
      webhookTimeoutMs: 15_000,
      webhookConcurrency: 128,
      webhookProxyUrl: null,
      webhookCaFile: null,
      destinationConcurrency: 16,
      destinationRateMax: 0,
      smtpUrl: null,
      emailFrom: null,
      retryScheduleMs: [
        0, 5_000, 300_000, 1_800_000, 7_200_000, 18_000_000, 36_000_000, 50_400_000, 72_000_000, 86_400_000,
      ],
      historyMaxAgeMs: 90 * 86_400_000,
      logLevel: 'info',
      logFormat: null,
    });
  });
});

describe('where a value comes from', () => {
  it('lets a file override the defaults and the environment override the file', () => {
    const CONFIG_FILE = fileWith({ HTTP_PORT: 9_000, LOG_LEVEL: 'debug', RETRY_SCHEDULE: ['1s', 2] });
    const config = load({ CONFIG_FILE, HTTP_PORT: '9001' });
    expect(config).toMatchObject({ httpPort: 9_001, logLevel: 'debug', retryScheduleMs: [1_000, 2_000] });
  });

  it('tells which keys are set, by a file or the environment', () => {
    const CONFIG_FILE = fileWith({ HTTP_PORT: 8080 });
    expect([...givenKeys({ CONFIG_FILE, DATA_DIR: 'here', LOG_LEVEL: '' })]).toEqual([
      'HTTP_PORT',
      'DATA_DIR',
    ]);
    expect(givenKeys({}).size).toBe(0);
  });

  it('takes an empty variable as unset', () => {
    expect(load({ HTTP_PORT: '', CONFIG_FILE: '', LOG_LEVEL: ' ' })).toEqual(load({}));
  });

  it('takes relative paths from the working directory', () => {
    expect(load({ DATA_DIR: 'here' }).dataDir).toBe('/srv/app/here');
    expect(refusal({ NATS_CREDS_FILE: 'my.creds' })).toContain('"/srv/app/my.creds", which cannot be read');
    expect(refusal({ WEBHOOK_CA_FILE: 'ca.pem' })).toContain(
      'WEBHOOK_CA_FILE is "/srv/app/ca.pem", which cannot be read',
    );
  });

  it('lets null in a file unset what may be unset, and nothing else', () => {
    expect(load({ CONFIG_FILE: fileWith({ NATS_URL: null }) }).natsUrl).toBeNull();
    expect(refusal({ CONFIG_FILE: fileWith({ HTTP_PORT: null }) })).toMatch(/^HTTP_PORT \(file .*\) is null/);
  });
});

describe('values', () => {
  it('reads lists from text', () => {
    const config = load({
      API_TOKENS: 'default=abc, acme=x=y=',
      WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8,fd00::/8',
      RETRY_SCHEDULE: '0s, 5s, 1.5m, 2h',
      CORS_ORIGINS: 'https://app.example.com, http://localhost:3000',
    });
    expect(config.corsOrigins).toEqual(['https://app.example.com', 'http://localhost:3000']);
    expect(config.apiTokens).toEqual([
      { ou: 'default', token: 'abc' },
      { ou: 'acme', token: 'x=y=' },
    ]);
    expect(config.webhookAllowCidrs).toEqual(['127.0.0.0/8', 'fd00::/8']);
    expect(config.retryScheduleMs).toEqual([0, 5_000, 90_000, 7_200_000]);
  });

  it.each([
    ['45d', 3_888_000_000],
    ['250ms', 250],
    ['90', 90_000],
    ['2w', 1_209_600_000],
    ['', null],
    ['5 s', null],
    ['-5s', null],
    ['5y', null],
    ['1e3s', null],
    ['99999999999999d', null],
  ])('reads the duration %j as %j ms', (written, durationMs) => {
    expect(parseDurationMs(written)).toBe(durationMs);
  });
});

describe('a value that is not allowed', () => {
  const wrong: ReadonlyArray<readonly [string, string]> = [
    ['HTTP_HOST', 'http://localhost'],
    ['HTTP_PORT', '65536'],
    ['HTTP_PORT', '80a'],
    ['HTTP_PORT', '0x50'],
    ['HTTP_PORT', '80.5'],
    ['NATS_URL', 'localhost:4222'],
    ['NATS_URL', 'http://localhost'],
    ['NATS_PORT', '-1'],
    ['HISTORY_MAX_AGE', '999ms'],
    ['HISTORY_MAX_AGE', 'forever'],
    ['EVENTS_STREAM', 'MY.EVENTS'],
    ['EVENTS_SUBJECT', 'events.*'],
    ['EVENTS_SUBJECT', 'my.events.>'],
    ['EVENTS_SUBJECT', 'rejected.>'],
    ['EVENTS_SUBJECT', '>'],
    ['EVENTS_SUBJECT', '*.>'],
    ['EVENTS_MAX_AGE', 'long'],
    ['ALLOWED_LATENESS_SECONDS', '1d'],
    ['FUTURE_SKEW_SECONDS', '-5'],
    ['CHECKPOINT_INTERVAL_MS', '0'],
    ['ON_STREAM_MISMATCH', 'ignore'],
    ['HELD_EVENTS_MAX', '1'],
    ['SEQUENCES_MAX', '0'],
    ['API_RATE_MAX', '-1'],
    ['API_RATE_MAX', '10/s'],
    ['CORS_ORIGINS', '*'],
    ['CORS_ORIGINS', 'app.example.com'],
    ['CORS_ORIGINS', 'https://app.example.com/'],
    ['CORS_ORIGINS', 'https://app.example.com:443'],
    ['CORS_ORIGINS', 'ftp://app.example.com'],
    ['CORS_ORIGINS', 'https://a.example.com,,https://b.example.com'],
    ['API_TOKENS', 'justatoken'],
    ['API_TOKENS', 'a=same,b=same'],
    ['WEBHOOK_ALLOW_CIDRS', '127.0.0.1'],
    ['WEBHOOK_ALLOW_CIDRS', '127.0.0.0/33'],
    ['WEBHOOK_ALLOW_CIDRS', 'localhost/8'],
    ['WEBHOOK_TIMEOUT_MS', '15s'],
    ['WEBHOOK_CONCURRENCY', '0'],
    ['SMTP_URL', 'mail.example.com'],
    ['EMAIL_FROM', 'nobody'],
    ['RETRY_SCHEDULE', '0s,soon'],
    ['RETRY_SCHEDULE', ','],
    ['LOG_LEVEL', 'loud'],
    ['LOG_FORMAT', 'xml'],
  ];

  it.each(wrong)(
    '%s=%s is refused in one line with the key, its source and what is allowed',
    (key, value) => {
      const message = refusal({ [key]: value });
      expect(message).toMatch(new RegExp(`^${key} \\(environment\\) is .+: allowed is .+`));
      expect(message).not.toMatch(/[\r\n]|undefined/);
    },
  );

  it('is named together with its file', () => {
    const CONFIG_FILE = fileWith({ HTTP_PORT: 'eighty' });
    expect(refusal({ CONFIG_FILE })).toBe(
      `HTTP_PORT (file ${CONFIG_FILE}) is "eighty": allowed is an integer from 0 to 65535`,
    );
  });

  it('is hidden when it is a secret', () => {
    expect(refusal({ API_TOKENS: 'hunter2' })).not.toContain('hunter2');
    expect(refusal({ NATS_TOKEN: 'hunter2 hunter2' })).not.toContain('hunter2');
    expect(refusal({ SMTP_URL: 'smtpx://me:hunter2@host?pass=hunter2' })).not.toContain('hunter2');
    expect(refusal({ NATS_URL: 'me:hunter2@host' })).not.toContain('hunter2');
  });

  it('an unknown key in a file is refused with those that are known', () => {
    const message = refusal({ CONFIG_FILE: fileWith({ HTTP_PROT: 1 }) });
    expect(message).toMatch(/unknown key "HTTP_PROT"; allowed are HTTP_HOST, HTTP_PORT/);
    expect(refusal({ CONFIG_FILE: fileWith('{"__proto__": 1}') })).toContain('unknown key "__proto__"');
  });

  it('a file that is absent, no JSON, or no object is refused by name', () => {
    const absent = join(directory, 'absent.json');
    expect(refusal({ CONFIG_FILE: absent })).toBe(`configuration file ${absent} cannot be read (ENOENT)`);
    expect(refusal({ CONFIG_FILE: fileWith('{"NATS_TOKEN": "hunter2') })).toMatch(/is not valid JSON$/);
    expect(refusal({ CONFIG_FILE: fileWith([1]) })).toContain('expected a JSON object');
  });

  it('EMAIL_FROM is needed with SMTP_URL', () => {
    expect(refusal({ SMTP_URL: 'smtp://localhost:25' })).toBe(
      'EMAIL_FROM must be set because SMTP_URL is set: allowed is ' +
        'an address such as alerts@example.com or Alerts <alerts@example.com>',
    );
    const config = load({ SMTP_URL: 'smtp://localhost:25', EMAIL_FROM: 'Alerts <a@example.com>' });
    expect(config.emailFrom).toBe('Alerts <a@example.com>');
  });
});

describe('what is allowed and unwise', () => {
  it('is a short token, of which only the OU is named', () => {
    const API_TOKENS = 'acme=hunter2,acme=hunter3,b=0123456789abcde,c=0123456789abcdef';
    expect(warningsOf(load({ API_TOKENS }))).toEqual([
      'a token of OU acme in API_TOKENS has fewer than 16 characters and may be guessed',
      'a token of OU b in API_TOKENS has fewer than 16 characters and may be guessed',
    ]);
    expect(warningsOf(load({}))).toEqual([]);
  });
});

describe('the redacted description', () => {
  it('hides tokens, passwords and credentials in URLs, and shows the rest', () => {
    const described = describeConfig(
      load({
        API_TOKENS: 'acme=hunter2',
        NATS_TOKEN: 'hunter2',
        NATS_URL: 'nats://hunter2@broker:4222',
        SMTP_URL: 'smtp://me:hunter2@mail:587/?x=hunter2',
        WEBHOOK_PROXY_URL: 'http://me:hunter2@proxy:3128',
        EMAIL_FROM: 'a@example.com',
      }),
    );
    expect(JSON.stringify(described)).not.toContain('hunter2');
    expect(described).toMatchObject({
      apiTokens: ['acme=(hidden)'],
      natsToken: '(hidden)',
      natsUrl: 'nats://(hidden)@broker:4222',
      smtpUrl: 'smtp://(hidden)@mail:587',
      webhookProxyUrl: 'http://(hidden)@proxy:3128',
      httpPort: 8080,
    });
  });

  it('leaves what is unset as null and a URL without credentials as it is', () => {
    const described = describeConfig(load({ NATS_URL: 'nats://broker:4222' }));
    expect(described).toMatchObject({ natsUrl: 'nats://broker:4222', smtpUrl: null, natsToken: null });
  });
});
