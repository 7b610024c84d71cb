import type { MiddlewareHandler } from 'hono';
import { holdersOf, type Role, type TokenOwner } from '../model/token.ts';
import { iso } from './deliveryView.ts';
import type { ApiPorts } from './ports.ts';
import { Problem } from './problem.ts';
import { RateLimiter, rateHeaders } from './rateLimiter.ts';
import { type ApiContext, type ApiEnv, bearerOf } from './request.ts';

const REALM = 'Bearer realm="sequence-triggers"';

/**
 * Lets a request with a good bearer token through, scoped to the OU of the token and counted against its rate; 401
 * for any other token, 429 for one request too many.
 */
export function authenticate({
  tokens,
  nowMs,
  requestsPerSecondMax,
}: Pick<ApiPorts, 'tokens' | 'nowMs' | 'requestsPerSecondMax'>): MiddlewareHandler<ApiEnv> {
  const limiter = new RateLimiter();
  return async (context, next) => {
    const owner = await ownerOf(context, tokens, nowMs());
    context.set('owner', owner);
    context.set('ou', owner.ou);
    const ratePerSecond = owner.ratePerSecond ?? requestsPerSecondMax;
    if (ratePerSecond > 0) {
      const rate = limiter.take(owner.id, ratePerSecond, nowMs());
      context.set('rate', rate);
      if (!rate.isAllowed) throw tooMany(ratePerSecond, rate.waitSeconds);
    }
    await next();
  };
}

async function ownerOf(context: ApiContext, tokens: ApiPorts['tokens'], nowMs: number): Promise<TokenOwner> {
  if (context.req.header('authorization') === undefined) {
    throw unauthorized('An API token is required: Authorization: Bearer <token>.');
  }
  const token = bearerOf(context);
  if (token === undefined) throw unauthorized('The Authorization header must be: Bearer <token>.');
  const owner = await tokens.lookup(token);
  if (owner === undefined) throw unauthorized('The API token is not known or was revoked.', 'invalid_token');
  if (owner.expiresAtMs !== null && owner.expiresAtMs <= nowMs) {
    throw unauthorized(`The API token expired at ${iso(owner.expiresAtMs)}.`, 'invalid_token');
  }
  return owner;
}

function unauthorized(detail: string, error?: 'invalid_token'): Problem {
  const challenge = `${REALM}${error === undefined ? '' : `, error="${error}"`}`;
  return new Problem(401, detail, { headers: { 'www-authenticate': challenge } });
}

function tooMany(ratePerSecond: number, waitSeconds: number): Problem {
  const limit = ratePerSecond.toLocaleString('en-US');
  return new Problem(429, `The token may make ${limit} requests per second; wait as Retry-After says.`, {
    headers: { 'retry-after': String(Math.max(1, Math.ceil(waitSeconds))) },
  });
}

/** Throws a 403 that names what is needed and what the token has. */
export function requireRole({ var: { owner } }: ApiContext, needed: Role): void {
  const holders = holdersOf(needed);
  if (holders.includes(owner.role)) return;
  const allowed = holders.length === 1 ? `the role ${needed}` : `one of the roles ${holders.join(', ')}`;
  throw new Problem(403, `This needs a token with ${allowed}; the role of this token is ${owner.role}.`, {
    headers: { 'www-authenticate': `${REALM}, error="insufficient_scope", scope="${needed}"` },
  });
}

/** Where the token stands with its rate, on every answer to one that has a limit. */
export function rateHeadersOf({ var: { rate } }: ApiContext): Readonly<Record<string, string>> {
  return rate === undefined ? {} : rateHeaders(rate);
}
