import { z } from 'zod';
import {
  ageOrForever,
  cidrs,
  duration,
  durations,
  integer,
  oneOf,
  origins,
  text,
  tokens,
  urlOf,
} from './values.ts';

const path = text(/^[^\0]{1,4096}$/, 'a path');

/** Every key, named alike in the files and in the environment. A description says what its value may be. */
export const keys = {
  HTTP_HOST: text(/^[^\s/]{1,255}$/, 'a host name or address to listen on, such as 127.0.0.1'),
  HTTP_PORT: integer(0, 65_535),
  DATA_DIR: path,
  NATS_URL: urlOf('nats', 'tls').nullable(),
  NATS_PORT: integer(0, 65_535),
  NATS_SERVER_BIN: path.nullable(),
  NATS_CREDS_FILE: path.nullable(),
  NATS_TOKEN: text(/^\S{1,1024}$/, 'a token without spaces').nullable(),
  EVENTS_STREAM: text(/^[A-Za-z0-9_-]{1,128}$/, 'a stream name of letters, digits, - and _'),
  // What is rejected is kept on `rejected.<ou>`.
  EVENTS_SUBJECT: text(
    /^(?!rejected\.)[A-Za-z0-9_-]{1,128}\.>$/,
    'one token, not "rejected", and the wildcard for the rest, such as events.>',
  ),
  EVENTS_MAX_AGE: duration('a duration such as 45d, 12h or 30m; a number alone is in seconds, 0 is no limit'),
  ALLOWED_LATENESS_SECONDS: integer(0, 31_536_000),
  FUTURE_SKEW_SECONDS: integer(0, 31_536_000),
  CHECKPOINT_INTERVAL_MS: integer(10, 600_000),
  ON_STREAM_MISMATCH: oneOf('halt', 'accept'),
  HELD_EVENTS_MAX: integer(64, 1_048_576),
  SEQUENCES_MAX: integer(1, 100_000),
  API_TOKENS: tokens(),
  API_RATE_MAX: integer(0, 1_000_000),
  CORS_ORIGINS: origins(),
  WEBHOOK_ALLOW_CIDRS: cidrs(),
  WEBHOOK_TIMEOUT_MS: integer(100, 120_000),
  WEBHOOK_CONCURRENCY: integer(1, 1_024),
  WEBHOOK_PROXY_URL: urlOf('http', 'https').nullable(),
  WEBHOOK_CA_FILE: path.nullable(),
  DESTINATION_CONCURRENCY: integer(1, 1_024),
  DESTINATION_RATE_MAX: integer(0, 1_000_000),
  SMTP_URL: urlOf('smtp', 'smtps').nullable(),
  EMAIL_FROM: text(
    /^(?:[^\r\n<>]{1,200}<[^\s<>@]+@[^\s<>@]+>|[^\s<>@]+@[^\s<>@]+)$/,
    'an address such as alerts@example.com or Alerts <alerts@example.com>',
  ).nullable(),
  RETRY_SCHEDULE: durations(32),
  HISTORY_MAX_AGE: ageOrForever(),
  LOG_LEVEL: oneOf('trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'),
  LOG_FORMAT: oneOf('json', 'pretty').nullable(),
} as const;

export type ConfigKey = keyof typeof keys;

/** Keys whose values never appear in a message or a log line as they are. */
export const SECRET_KEYS: ReadonlySet<ConfigKey> = new Set<ConfigKey>([
  'API_TOKENS',
  'NATS_TOKEN',
  'NATS_URL',
  'SMTP_URL',
  'WEBHOOK_PROXY_URL',
]);

/** The configuration as the program uses it; null where a key is unset. Built from the merged raw values. */
export const configSchema = z
  .strictObject(keys)
  .superRefine((raw, context) => {
    if (raw.SMTP_URL !== null && raw.EMAIL_FROM === null) {
      context.addIssue({ code: 'custom', path: ['EMAIL_FROM'], params: { because: 'SMTP_URL is set' } });
    }
  })
  .transform((raw) => ({
    httpHost: raw.HTTP_HOST,
    /** 0: any free port. */
    httpPort: raw.HTTP_PORT,
    dataDir: raw.DATA_DIR,
    /** null: the embedded server. */
    natsUrl: raw.NATS_URL,
    /** Of the embedded server; 0: any free port. */
    natsPort: raw.NATS_PORT,
    natsServerBin: raw.NATS_SERVER_BIN,
    natsCredsFile: raw.NATS_CREDS_FILE,
    natsToken: raw.NATS_TOKEN,
    eventsStream: raw.EVENTS_STREAM,
    /** `<token>.>`: the second token of a subject is the OU. */
    eventsSubject: raw.EVENTS_SUBJECT,
    /** 0: no limit. */
    eventsMaxAgeMs: raw.EVENTS_MAX_AGE,
    allowedLatenessSeconds: raw.ALLOWED_LATENESS_SECONDS,
    futureSkewSeconds: raw.FUTURE_SKEW_SECONDS,
    checkpointIntervalMs: raw.CHECKPOINT_INTERVAL_MS,
    /** What to do when the stream is not the one that the checkpoint was taken of. */
    onStreamMismatch: raw.ON_STREAM_MISMATCH,
    /** Per lead; above it a lead's events are reduced to what in-order matching can still need. */
    heldEventsMax: raw.HELD_EVENTS_MAX,
    /** Per OU. */
    sequencesMax: raw.SEQUENCES_MAX,
    apiTokens: raw.API_TOKENS,
    /** Requests per second of one token, unless it has a limit of its own; 0: no limit. */
    apiRateMax: raw.API_RATE_MAX,
    /** Whose pages may call the API from a browser; empty: nobody's. */
    corsOrigins: raw.CORS_ORIGINS,
    webhookAllowCidrs: raw.WEBHOOK_ALLOW_CIDRS,
    /** Of the whole attempt. */
    webhookTimeoutMs: raw.WEBHOOK_TIMEOUT_MS,
    /** Attempts under way at once. */
    webhookConcurrency: raw.WEBHOOK_CONCURRENCY,
    /** A forward proxy that all webhooks go through; null: none. */
    webhookProxyUrl: raw.WEBHOOK_PROXY_URL,
    /** A PEM file of certificates to trust beside the usual ones; null: none. */
    webhookCaFile: raw.WEBHOOK_CA_FILE,
    /** Attempts under way at once to one destination. */
    destinationConcurrency: raw.DESTINATION_CONCURRENCY,
    /** Attempts per second to one destination, unless it has a limit of its own; 0: no limit. */
    destinationRateMax: raw.DESTINATION_RATE_MAX,
    smtpUrl: raw.SMTP_URL,
    /** Never null where `smtpUrl` is set. */
    emailFrom: raw.EMAIL_FROM,
    /** Delay before each attempt; its length is the number of attempts. */
    retryScheduleMs: raw.RETRY_SCHEDULE,
    /** How long fires and deliveries are kept after the last thing that happened to them; 0: for good. */
    historyMaxAgeMs: raw.HISTORY_MAX_AGE,
    logLevel: raw.LOG_LEVEL,
    /** null: pretty on a terminal, json otherwise. */
    logFormat: raw.LOG_FORMAT,
  }));

export type Config = z.output<typeof configSchema>;
