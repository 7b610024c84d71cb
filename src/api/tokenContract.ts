import { z } from 'zod';
import { ROLES } from '../model/token.ts';
import { instant, instantField, noParameters } from './commonSchema.ts';
import { endpoint, jsonBody, type Shown } from './endpoint.ts';
import { exactObject, integer, textOfCharacters } from './validation.ts';

const RATE_PER_SECOND_MAX = 1_000_000;

const roleAllowed = `one of ${ROLES.join(', ')}`;
const role = z.enum(ROLES, { error: roleAllowed });

const fields = {
  id: z.string(),
  ou: z.string(),
  name: z.string(),
  role: z.enum(ROLES),
  created_at: instant,
  expires_at: instant.nullable().meta({ description: 'From then on it is refused; null: never.' }),
  last_used_at: instant.nullable().meta({ description: 'To the minute; null: not yet.' }),
  rate_per_second: z.int().min(1).nullable().meta({
    description: 'Requests per second at most; null: what the configuration says (API_RATE_MAX).',
  }),
};
const token = z.object(fields).meta({ id: 'Token' });
const tokenWithText = z
  .object({ ...fields, token: z.string().meta({ description: 'Shown in this answer and never again.' }) })
  .meta({ id: 'NewToken' });

export type TokenView = Shown<z.infer<typeof token>>;

const newToken = exactObject({
  name: textOfCharacters({ min: 1, max: 100, notBlank: true, characters: 'line' }).meta({
    description: 'To recognize the token by.',
  }),
  role: role.nullish().meta({ description: 'By default write.' }),
  expires_at: instantField.nullish(),
  rate_per_second: integer(1, RATE_PER_SECOND_MAX).nullish(),
});

const EXAMPLE: TokenView = {
  id: 'tok-0c11',
  ou: 'one',
  name: 'for the site',
  role: 'ingest',
  created_at: '2026-03-01T09:00:00.000Z',
  expires_at: null,
  last_used_at: null,
  rate_per_second: 500,
};

const common = { tag: 'Tokens', role: 'admin' } as const;

export const listTokens = endpoint({
  ...common,
  name: 'listTokens',
  method: 'get',
  path: '/tokens',
  summary: 'List tokens',
  description: 'Those of the organizational unit, the oldest first; those of API_TOKENS are not listed.',
  query: noParameters,
  answer: { status: 200, description: 'The tokens.', schema: z.object({ tokens: z.array(token) }) },
  example: { answer: { tokens: [EXAMPLE] } },
});

export const createToken = endpoint({
  ...common,
  name: 'createToken',
  method: 'post',
  path: '/tokens',
  summary: 'Create a token',
  description:
    'For the organizational unit of the token that asks. `read` sees everything, `ingest` sends events and nothing else, `write` does both and makes changes, `admin` manages tokens too. `location` names it.',
  body: jsonBody(newToken),
  answer: { status: 201, description: 'The token, with its text.', schema: tokenWithText },
  problems: { 409: 'There are as many tokens as there may be.' },
  example: {
    body: { name: EXAMPLE.name, role: EXAMPLE.role, rate_per_second: EXAMPLE.rate_per_second },
    answer: { ...EXAMPLE, token: 'st_9v3gXb1c0nQn2mYF6aC7Jt0uGQm5rL8wK4eHsZp1dIo' },
  },
});

export const getToken = endpoint({
  ...common,
  name: 'getToken',
  method: 'get',
  path: '/tokens/{id}',
  summary: 'Read a token',
  description: 'Without its text, which is not stored.',
  idOf: 'token',
  answer: { status: 200, description: 'The token.', schema: token },
  example: { id: EXAMPLE.id, answer: EXAMPLE },
});

export const revokeToken = endpoint({
  ...common,
  name: 'revokeToken',
  method: 'delete',
  path: '/tokens/{id}',
  summary: 'Revoke a token',
  description:
    'It is refused from the next request on. A token cannot revoke itself, so that somebody stays in.',
  idOf: 'token',
  answer: { status: 204, description: 'It is gone.' },
  problems: { 409: 'It is the token that asks.' },
  example: { id: EXAMPLE.id, answer: null },
});
