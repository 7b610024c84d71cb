import { measureChanges } from './changes.ts';
import { measureLatency, measureThroughput, warmUp } from './measure.ts';
import { compareWithParsing } from './parsing.ts';

/**
 * The process that measures: `measuringProcess.ts` starts it with an IPC channel, and it ends when the channel
 * does. It gets one request at a time, `{ operation, argument }`, and answers `{ result }` or `{ error }`.
 */
const OPERATIONS = { warmUp, measureThroughput, measureLatency, measureChanges, compareWithParsing };

export type Operations = typeof OPERATIONS;

interface Request {
  readonly operation: keyof Operations;
  readonly argument: unknown;
}

process.on('message', async ({ operation, argument }: Request) => {
  // The pairing of an operation with its argument is checked where the request is made.
  const run = OPERATIONS[operation] as (argument: unknown) => Promise<unknown>;
  try {
    process.send!({ result: await run(argument) });
  } catch (error) {
    process.send!({ error: error instanceof Error ? error.stack : String(error) });
  }
});
