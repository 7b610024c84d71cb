import {
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from 'nats';
import { type Logger, messageOf } from './ports.ts';
import { coversSubject } from './subject.ts';

export interface StreamSettings {
  readonly eventsStream: string;
  /** One token and the wildcard for the rest, such as `events.>`. */
  readonly eventsSubject: string;
  /** 0: no limit. */
  readonly eventsMaxAgeMs: number;
  /** Limit of the stream of rejected messages; the oldest go first. */
  readonly rejectedBytesMax?: number;
}

/** The streams in use: as created, or as found. */
export interface EventStreams {
  readonly events: { readonly name: string; readonly created: string };
  /** Null where every subject of the stream belongs to the events, which are then consumed unfiltered. */
  readonly filterSubject: string | null;
  readonly rejectedStream: string;
}

const STREAM_NOT_FOUND = 10059;
const SUBJECTS_OVERLAP = 10065;
const REJECTED_BYTES_MAX = 2 ** 30;
const REJECTED_DUPLICATE_WINDOW_MS = 3_600_000;

/**
 * Makes sure that the events stream and the stream of rejected messages stand. A stream that is there is
 * used as it is, whatever its limits. Throws an Error in plain words when JetStream is off, when the found
 * stream does not carry the events subject or is a work queue, or when another stream holds it.
 */
export async function ensureStreams(
  nats: NatsConnection,
  settings: StreamSettings,
  logger: Logger,
): Promise<EventStreams> {
  const { eventsStream, eventsSubject, eventsMaxAgeMs } = settings;
  const manager = await jetStreamManager(nats);
  const config = { name: eventsStream, subjects: [eventsSubject], max_age: nanos(eventsMaxAgeMs) };
  const advice = 'Name that one in EVENTS_STREAM, or another subject in EVENTS_SUBJECT';
  const events = await ensureStream(manager, logger, config, advice);
  refuseWorkqueue(events);
  const { subjects } = events.config;
  if (!subjects?.some((subject) => coversSubject(subject, eventsSubject))) {
    throw new Error(
      `EVENTS_STREAM ${eventsStream} exists with the subjects ${JSON.stringify(subjects ?? [])}, which do not carry EVENTS_SUBJECT ${eventsSubject}; change one of the two settings, or the stream`,
    );
  }
  const rejectedStream = await ensureRejectedStream(nats, settings, logger);
  return {
    events: { name: eventsStream, created: events.created },
    filterSubject: subjects.every((subject) => coversSubject(eventsSubject, subject)) ? null : eventsSubject,
    rejectedStream,
  };
}

/** Makes sure that the stream of rejected messages stands, and gives its name. */
export async function ensureRejectedStream(
  nats: NatsConnection,
  settings: StreamSettings,
  logger: Logger,
): Promise<string> {
  const { eventsMaxAgeMs } = settings;
  const name = `${settings.eventsStream}_REJECTED`;
  const config = {
    name,
    subjects: ['rejected.>'],
    max_age: nanos(eventsMaxAgeMs),
    max_bytes: settings.rejectedBytesMax ?? REJECTED_BYTES_MAX,
    duplicate_window: nanos(
      Math.min(REJECTED_DUPLICATE_WINDOW_MS, eventsMaxAgeMs || REJECTED_DUPLICATE_WINDOW_MS),
    ),
  };
  const advice =
    'Every program keeps what it rejects on rejected.<ou>, so each needs an account of its own on the NATS server, or a server of its own';
  await ensureStream(await jetStreamManager(nats), logger, config, advice);
  return name;
}

async function jetStreamManager(nats: NatsConnection): Promise<JetStreamManager> {
  try {
    return await nats.jetstreamManager();
  } catch (error) {
    throw new Error(`the NATS server offers no JetStream to this account: ${messageOf(error)}`);
  }
}

async function ensureStream(
  manager: JetStreamManager,
  logger: Logger,
  config: Partial<StreamConfig> & { readonly name: string; readonly subjects: string[] },
  adviceOnOverlap: string,
): Promise<StreamInfo> {
  const found = await findStream(manager, config.name);
  if (found) return found;
  try {
    const created = await manager.streams.add({
      retention: RetentionPolicy.Limits,
      storage: StorageType.File,
      discard: DiscardPolicy.Old,
      ...config,
    });
    logger.info({ stream: config.name, subjects: config.subjects }, 'created a stream');
    return created;
  } catch (error) {
    const isOverlap = error instanceof NatsError && error.api_error?.err_code === SUBJECTS_OVERLAP;
    const reason = isOverlap
      ? `its subject ${config.subjects} overlaps with the stream ${await holdersOf(manager, config.subjects)}. ${adviceOnOverlap}`
      : messageOf(error);
    throw new Error(`the stream ${config.name} cannot be created: ${reason}`);
  }
}

/** The names of the streams that hold some of these subjects. */
async function holdersOf(manager: JetStreamManager, subjects: readonly string[]): Promise<string> {
  const names = new Set<string>();
  for (const subject of subjects) {
    for await (const name of manager.streams.names(subject)) names.add(name);
  }
  return [...names].join(', ');
}

/** Such a stream deletes what was acknowledged, and gives its messages to no consumer without acknowledgements. */
export function refuseWorkqueue({ config: { name, retention } }: StreamInfo): void {
  if (retention !== RetentionPolicy.Workqueue) return;
  throw new Error(
    `EVENTS_STREAM ${name} has retention workqueue, under which a message is gone once somebody has read it; allowed are limits and interest`,
  );
}

/** The stream as the server has it now; undefined where there is none of that name. */
export async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (error) {
    if (error instanceof NatsError && error.api_error?.err_code === STREAM_NOT_FOUND) return undefined;
    throw error;
  }
}
