import { executablePath } from '../../src/config/load.ts';
import { findServerBinary } from '../../src/stream/serverBinary.ts';

/** The tests run on a real nats-server: finds or installs it once, before they start. */
export default async function globalSetup(): Promise<void> {
  const say = (_fields: object, message: string): void => console.error(message);
  const logger = { debug: () => undefined, info: say, warn: say, error: say };
  await findServerBinary({ binary: process.env.NATS_SERVER_BIN ?? null, path: executablePath() }, logger);
}
