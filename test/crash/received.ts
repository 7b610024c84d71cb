import { readFileSync } from 'node:fs';

/** A request as the receiver keeps it. */
export interface ReceivedRequest {
  /** The header `webhook-id`. */
  readonly id: string;
  readonly timestamp: string;
  readonly signature: string;
  readonly path: string;
  readonly body: string;
  /** What it was answered with, unless a kill came in between. */
  readonly status: number;
  readonly atMs: number;
}

/** What the receiver was sent. A line that a kill has cut in half was not answered, and does not count. */
export function readReceived(file: string): ReceivedRequest[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => parsed(line) ?? []);
}

function parsed(line: string): ReceivedRequest | undefined {
  try {
    return JSON.parse(line) as ReceivedRequest;
  } catch {
    return undefined;
  }
}
