import type { TokenInfo } from '../model/token.ts';
import { iso, isoOrNull } from './deliveryView.ts';
import { type Route, route } from './endpoint.ts';
import type { ApiPorts } from './ports.ts';
import { invalid, notFound, Problem } from './problem.ts';
import { freshIdOf } from './request.ts';
import * as contract from './tokenContract.ts';

const TOKENS_PER_OU_MAX = 1_000;
const MICROS_PER_MS = 1_000;
const ID_DIGITS = 16;

/** `/tokens`: who of the OU may ask for what. */
export function tokenRoutes({ tokens, nowMs }: Pick<ApiPorts, 'tokens' | 'nowMs'>): readonly Route[] {
  return [
    route(contract.listTokens, async ({ ou }) => ({ tokens: (await tokens.list(ou)).map(tokenView) })),

    route(contract.createToken, async ({ ou, body, context }) => {
      const id = `tok-${freshIdOf(context).slice(0, ID_DIGITS)}`;
      const others = (await tokens.list(ou)).filter((each) => each.id !== id);
      if (others.length >= TOKENS_PER_OU_MAX) throw tooManyTokens();
      const wanted = {
        name: body.name,
        role: body.role ?? 'write',
        expiresAtMs: expiryOf(body.expires_at, nowMs()),
        ratePerSecond: body.rate_per_second ?? null,
      };
      const { token, info } = await tokens.create(ou, wanted, id);
      context.header('location', `/tokens/${id}`);
      return { ...tokenView(info), token };
    }),

    route(contract.getToken, async ({ ou, id }) => {
      const found = (await tokens.list(ou)).find((each) => each.id === id);
      if (found === undefined) throw notFound('token');
      return tokenView(found);
    }),

    route(contract.revokeToken, async ({ ou, id, context }) => {
      if (id === context.var.owner.id) {
        throw new Problem(409, 'A token cannot revoke itself; use another one, or npm run tokens.');
      }
      if (!(await tokens.revoke(id, ou))) throw notFound('token');
      return null;
    }),
  ];
}

function expiryOf(micros: number | null | undefined, nowMs: number): number | null {
  if (micros === undefined || micros === null) return null;
  const expiresAtMs = Math.floor(micros / MICROS_PER_MS);
  if (expiresAtMs > nowMs) return expiresAtMs;
  throw invalid([{ path: 'expires_at', message: `must lie in the future; got ${iso(expiresAtMs)}` }], 'body');
}

function tooManyTokens(): Problem {
  const limit = TOKENS_PER_OU_MAX.toLocaleString('en-US');
  return new Problem(409, `There are ${limit} tokens already, which is the limit; revoke one first.`);
}

function tokenView(info: TokenInfo): contract.TokenView {
  return {
    id: info.id,
    ou: info.ou,
    name: info.name,
    role: info.role,
    created_at: iso(info.createdAtMs),
    expires_at: isoOrNull(info.expiresAtMs),
    last_used_at: isoOrNull(info.lastUsedAtMs),
    rate_per_second: info.ratePerSecond,
  };
}
