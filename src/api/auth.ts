import type { MiddlewareHandler } from 'hono';
import type { TokenPort } from './ports.ts';
import { Problem } from './problem.ts';
import type { ApiEnv } from './request.ts';

/** Lets a request with a good bearer token through, scoped to the OU of the token; 401 for any other. */
export function authenticate(tokens: TokenPort): MiddlewareHandler<ApiEnv> {
  return async (context, next) => {
    const header = context.req.header('authorization');
    if (header === undefined) throw unauthorized('An API token is required: Authorization: Bearer <token>.');
    const token = /^bearer +(\S+) *$/i.exec(header)?.[1];
    if (token === undefined) throw unauthorized('The Authorization header must be: Bearer <token>.');
    const owner = await tokens.lookup(token);
    if (owner === undefined)
      throw unauthorized('The API token is not known or was revoked.', 'invalid_token');
    context.set('ou', owner.ou);
    await next();
  };
}

function unauthorized(detail: string, error?: 'invalid_token'): Problem {
  const challenge = `Bearer realm="sequence-triggers"${error === undefined ? '' : `, error="${error}"`}`;
  return new Problem(401, detail, { headers: { 'www-authenticate': challenge } });
}
