import type { Answer } from './exchange.ts';
import { delivered, type SendResult } from './sender.ts';

const NO_WISHES: ReadonlySet<string> = new Set();
const RETRY_AFTER_MS_MAX = 24 * 60 * 60 * 1000;
/** The three forms of RFC 9110, section 5.6.7; the last one says nothing of GMT, and means it. */
const HTTP_DATE =
  /^(?:[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT|[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4})$/;

/**
 * What an answer means. Any 2xx is a delivery and everything else a failure to be tried again, except that
 * `410 Gone` and the header `webhook-delivery: disable` ask to be sent nothing more, and
 * `webhook-delivery: abort-message` on a failure asks not to be sent this message again.
 */
export function resultOf({ status, headers, response }: Answer, nowMs: number): SendResult {
  const wishes = wishesOf(headers['webhook-delivery']);
  const pauseReason = pauseReasonOf(status, wishes);
  if (status >= 200 && status < 300) return { ...delivered(status, response), pauseReason };
  const aborted = wishes.has('abort-message');
  return {
    outcome: 'failed',
    status,
    error: null,
    response,
    detail: `answered ${status}${remarkOn(status, aborted)}`,
    retryAfterMs: aborted || pauseReason !== null ? null : parseRetryAfter(headers['retry-after'], nowMs),
    permanent: aborted,
    concerns: aborted ? 'message' : 'destination',
    pauseReason,
  };
}

/** Reads `Retry-After` as seconds or as an HTTP date, at most 24 hours; null when absent or unreadable. */
export function parseRetryAfter(value: string | string[] | undefined, nowMs: number): number | null {
  if (typeof value !== 'string') return null;
  const text = value.trim();
  const delayMs = /^\d+$/.test(text) ? Number(text) * 1000 : parseHttpDate(text) - nowMs;
  if (Number.isNaN(delayMs)) return null;
  return Math.min(Math.max(delayMs, 0), RETRY_AFTER_MS_MAX);
}

function parseHttpDate(text: string): number {
  if (!HTTP_DATE.test(text)) return Number.NaN;
  return Date.parse(text.endsWith('GMT') ? text : `${text} GMT`);
}

function wishesOf(value: string | string[] | undefined): ReadonlySet<string> {
  if (value === undefined) return NO_WISHES;
  return new Set(
    String(value)
      .split(',')
      .map((wish) => wish.trim().toLowerCase()),
  );
}

function pauseReasonOf(status: number, wishes: ReadonlySet<string>): string | null {
  if (wishes.has('disable')) return 'answered webhook-delivery: disable';
  return status === 410 ? 'answered 410 Gone' : null;
}

function remarkOn(status: number, aborted: boolean): string {
  if (aborted) return ', and webhook-delivery: abort-message';
  return status >= 300 && status < 400 ? ' (redirects are not followed)' : '';
}
