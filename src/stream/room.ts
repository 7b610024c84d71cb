import type { StreamMark } from '../model/checkpoint.ts';
import { BackfillSource } from './backfillSource.ts';
import { type ConnectionSettings, openConnection, type StreamConnection } from './connection.ts';
import { EventFeed, type FeedSettings } from './feed.ts';
import type { LookBackSource } from './lookBack.ts';
import type { Logger, Readiness } from './ports.ts';
import { EventPublisher } from './publish.ts';
import { ThreadedReceiver } from './receiver.ts';
import { inspectStream, type MismatchPolicy, type Reconciliation, reconcile } from './reconcile.ts';
import { RejectedEvents } from './rejected.ts';
import { type EmbeddedServer, startEmbeddedServer } from './server.ts';
import { findServerBinary } from './serverBinary.ts';
import { type EventStreams, ensureRejectedStream, ensureStreams, type StreamSettings } from './streams.ts';

export interface StreamRoomSettings extends StreamSettings {
  /** Null runs an embedded server. */
  readonly natsUrl: string | null;
  readonly natsCredsFile: string | null;
  readonly natsToken: string | null;
  /** Port of the embedded server; 0 takes any free one. */
  readonly natsPort: number;
  /** NATS_SERVER_BIN. */
  readonly natsServerBin: string | null;
  /** PATH, where the nats-server is looked for. */
  readonly path: string;
  readonly dataDir: string;
  readonly feed?: FeedSettings;
  /** Whether events are received in a thread of their own; only compiled code can have one. */
  readonly receivesInThread?: boolean;
  /** Ends a start that waits for a server. */
  readonly signal?: AbortSignal;
  /** Called with the reason whenever a server is waited for. */
  readonly onWaiting?: (reason: string) => void;
}

/** Everything that has to do with NATS, ready for use; the feed is not started yet. */
export interface StreamRoom {
  readonly url: string;
  readonly streams: EventStreams;
  readonly feed: EventFeed;
  readonly publisher: EventPublisher;
  readonly rejected: RejectedEvents;
  /** Where the stored events are, for reading them beside the feed. */
  readonly stored: LookBackSource;
  /** Reads them over the connection of the feed, no faster than is asked for. */
  readonly backfill: BackfillSource;
  /** The server (where it is ours), the connection, the feed, the rejected events: the first that is not ready says why. */
  readonly state: Readiness;
  /** Compares the stream as it stands now with what was read of it. Throws when the server does not answer. */
  reconcile(mark: StreamMark | null, policy: MismatchPolicy): Promise<Reconciliation>;
  /** Stops the feed, drains the connections, stops the embedded server, in this order. */
  close(): Promise<void>;
}

/**
 * Starts the embedded server where no URL is given, connects, and makes sure that the streams stand. Throws an
 * Error in plain words when one of these is not possible, and leaves nothing running then.
 */
export async function openStreamRoom(settings: StreamRoomSettings, logger: Logger): Promise<StreamRoom> {
  const server = settings.natsUrl === null ? await startServer(settings, logger) : undefined;
  let connection: StreamConnection | undefined;
  try {
    connection = await openConnection(connectionSettings(settings, server), logger);
    const streams = await ensureStreams(connection.nats, settings, logger);
    return assemble(settings, logger, server, connection, streams);
  } catch (error) {
    await connection?.close();
    await server?.close();
    throw error;
  }
}

async function startServer(settings: StreamRoomSettings, logger: Logger): Promise<EmbeddedServer> {
  const binary = await findServerBinary({ binary: settings.natsServerBin, path: settings.path }, logger);
  return startEmbeddedServer({ binary, dataDir: settings.dataDir, port: settings.natsPort }, logger);
}

function connectionSettings(
  settings: StreamRoomSettings,
  server: EmbeddedServer | undefined,
): ConnectionSettings {
  const waiting = {
    ...(settings.signal ? { signal: settings.signal } : {}),
    ...(settings.onWaiting ? { onFailedAttempt: settings.onWaiting } : {}),
  };
  return { ...plainConnection(settings, server), ...waiting };
}

/** What connects to the server, as plain data. */
function plainConnection(
  settings: StreamRoomSettings,
  server: EmbeddedServer | undefined,
): LookBackSource['connection'] {
  if (server) return { url: server.url, name: 'sequence-triggers' };
  return {
    url: settings.natsUrl ?? '',
    credsFile: settings.natsCredsFile,
    token: settings.natsToken,
    name: 'sequence-triggers',
  };
}

function receiverOf(
  settings: StreamRoomSettings,
  server: EmbeddedServer | undefined,
  logger: Logger,
): ThreadedReceiver {
  return new ThreadedReceiver(
    { ...plainConnection(settings, server), name: 'sequence-triggers-feed' },
    logger,
  );
}

function assemble(
  settings: StreamRoomSettings,
  logger: Logger,
  server: EmbeddedServer | undefined,
  connection: StreamConnection,
  streams: EventStreams,
): StreamRoom {
  const { nats } = connection;
  const receiver = settings.receivesInThread ? receiverOf(settings, server, logger) : undefined;
  const feed = new EventFeed(nats, streams, logger, {
    ...settings.feed,
    ...(receiver && { openConsumer: (wanted) => receiver.open(wanted) }),
  });
  const rejected = new RejectedEvents(
    nats,
    {
      stream: streams.rejectedStream,
      eventsStream: streams.events.name,
      ensure: () => ensureRejectedStream(nats, settings, logger),
    },
    logger,
  );
  return {
    url: server?.url ?? connection.servers.join(','),
    streams,
    feed,
    stored: {
      connection: { ...plainConnection(settings, server), name: 'sequence-triggers-look-back' },
      stream: streams.events.name,
      eventsSubject: settings.eventsSubject,
    },
    backfill: new BackfillSource(nats, streams, logger),
    publisher: new EventPublisher(nats, settings.eventsSubject, () => connection.state),
    rejected,
    get state() {
      const states = [server?.state, connection.state, feed.state, rejected.state];
      return states.find((state) => state?.ready === false) ?? { ready: true };
    },
    reconcile: async (mark, policy) => {
      const { name } = streams.events;
      const manager = await nats.jetstreamManager();
      const found = await inspectStream(
        manager,
        name,
        mark?.sequence ?? null,
        streams.filterSubject !== null,
      );
      if (found === undefined) throw new Error(`the stream ${name} was deleted while it was being opened`);
      return reconcile(mark, found, policy);
    },
    close: async () => {
      rejected.close();
      await feed.stop();
      await receiver?.close();
      await connection.close();
      await server?.close();
    },
  };
}
