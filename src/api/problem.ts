import { STATUS_CODES } from 'node:http';

/** One thing that is wrong with a request: where, and what is allowed there. */
export interface FieldError {
  /** `name`, `emails[0]`, `events[3].lead_id`; empty for the body as a whole. */
  readonly path: string;
  readonly message: string;
}

export type ProblemStatus =
  | 400
  | 401
  | 403
  | 404
  | 405
  | 408
  | 409
  | 412
  | 413
  | 415
  | 417
  | 422
  | 429
  | 431
  | 500
  | 503;

interface ProblemExtras {
  readonly errors?: readonly FieldError[];
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * An answer other than success, thrown from wherever in a request it becomes clear; the app's error mapper
 * is the one place that catches it. The detail is written for the caller and holds no secret.
 */
export class Problem extends Error {
  readonly status: ProblemStatus;
  readonly errors: readonly FieldError[] | undefined;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: ProblemStatus, detail: string, extras: ProblemExtras = {}) {
    super(detail);
    this.name = 'Problem';
    this.status = status;
    this.errors = extras.errors;
    this.headers = extras.headers ?? {};
  }
}

/** On every answer: it is private to a token and may hold a new secret, so no cache may keep or guess at it. */
export const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'x-content-type-options': 'nosniff',
};

export function problemResponse(problem: Problem, requestId: string): Response {
  const headers = problemHeaders(problem, requestId);
  return new Response(problemBody(problem, requestId), { status: problem.status, headers });
}

export function problemHeaders(problem: Problem, requestId: string): Readonly<Record<string, string>> {
  return {
    ...COMMON_HEADERS,
    'x-request-id': requestId,
    ...problem.headers,
    'content-type': 'application/problem+json',
  };
}

/** `application/problem+json` as RFC 9457 has it; `request_id` and `errors` are our extensions. */
export function problemBody(problem: Problem, requestId: string): string {
  return JSON.stringify({
    type: 'about:blank',
    title: STATUS_CODES[problem.status],
    status: problem.status,
    detail: problem.message,
    request_id: requestId,
    ...(problem.errors === undefined ? {} : { errors: problem.errors }),
  });
}

const RETRY_AFTER_SECONDS = 2;

export function notFound(what: string): Problem {
  return new Problem(404, `There is no such ${what}.`);
}

export function unavailable(detail: string): Problem {
  return new Problem(503, detail, { headers: { 'retry-after': String(RETRY_AFTER_SECONDS) } });
}

const PLACES = {
  body: 'The body',
  query: 'A query parameter',
  header: 'A header',
  path: 'A part of the path',
} as const;

/** A 400 for wrong fields; the detail names the first, for those who print nothing else. */
export function invalid(errors: readonly FieldError[], place: keyof typeof PLACES): Problem {
  const first = errors[0];
  const named =
    first === undefined || first.path === '' ? (first?.message ?? '') : `${first.path} ${first.message}`;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  return new Problem(400, `${PLACES[place]} is not valid: ${named}${more}`, { errors });
}

/** Refuses a range whose ends, in any one unit, are the wrong way round. */
export function requireOrder(
  from: number | undefined,
  to: number | undefined,
  place: 'body' | 'query',
): void {
  if (from === undefined || to === undefined || from <= to) return;
  throw invalid([{ path: 'from', message: 'must not be later than to' }], place);
}
