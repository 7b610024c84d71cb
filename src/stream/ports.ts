import { NatsError } from 'nats';

/** What the rooms of the stream ask of the program around them. A pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Whether a part is doing its work, and if not, why: what `/readyz` shows. */
export type Readiness = { readonly ready: true } | { readonly ready: false; readonly reason: string };

/** The message of anything thrown, for logs and for results that carry a reason. */
export function messageOf(error: unknown): string {
  // A refused publish says no more than `503` itself, which is also the code of a subject that nobody takes.
  if (error instanceof NatsError && error.api_error) return error.api_error.description;
  return error instanceof Error ? error.message : String(error);
}

/** Resolves after `ms`. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/**
 * What some work resolves with, or undefined when that takes longer. No timer stays behind, since it would keep what
 * the work gave: of a fast stream a second's worth of messages, which cost the garbage collector a quarter of all time.
 */
export async function within<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms).unref();
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
