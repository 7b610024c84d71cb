import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Context, Env } from 'hono';
import type { z } from 'zod';
import type { OuId } from '../model/event.ts';
import type { TokenOwner } from '../model/token.ts';
import { isPlausibleId, leadIdText } from './commonSchema.ts';
import { type FieldError, invalid, notFound, Problem } from './problem.ts';
import type { RateState } from './rateLimiter.ts';
import { check } from './validation.ts';

/** What the middleware leaves for the handlers of this app. */
export interface ApiEnv extends Env {
  Bindings: { readonly outgoing: ServerResponse };
  Variables: {
    requestId: string;
    /** These three are absent where no token was accepted. */
    ou: OuId;
    owner: TokenOwner;
    rate: RateState | undefined;
    /** The body, once something has asked for it. */
    bodyBytes: Promise<Uint8Array> | undefined;
    freshId: string | undefined;
    /** Size of the body of the answer, where it is known before it is sent. */
    answerBytes: number | undefined;
  };
}
export type ApiContext = Context<ApiEnv>;

export const BODY_BYTES_MAX = 1_048_576;

const FRESH_ID_BYTES = 12;

/**
 * 24 hexadecimal digits for the id of what the request makes. They are random, but when a request with an
 * Idempotency-Key is made again after one whose end nobody saw, they are those of that one: so what it made is found.
 */
export function freshIdOf(context: ApiContext): string {
  const freshId = context.var.freshId ?? randomBytes(FRESH_ID_BYTES).toString('hex');
  context.set('freshId', freshId);
  return freshId;
}

/** What the answer is written to; undefined where the app is asked without a server. */
export function outgoingOf(context: ApiContext): ServerResponse | undefined {
  return (context.env as ApiEnv['Bindings'] | undefined)?.outgoing;
}

/** The text of the bearer token; undefined where the header is none or has another form. */
export function bearerOf(context: ApiContext): string | undefined {
  return /^bearer +(\S+) *$/i.exec(context.req.header('authorization') ?? '')?.[1];
}

/** The JSON body, checked. Throws the Problem of whatever is wrong with it: 400, 413 or 415. */
export async function readBody<T>(context: ApiContext, schema: z.ZodType<T>): Promise<T> {
  return checkedBody(schema, await readJson(context));
}

/** The same for a request that may also come without a body. */
export async function readOptionalBody<T>(context: ApiContext, schema: z.ZodType<T>): Promise<T> {
  const bytes = await bodyBytes(context);
  if (bytes.length === 0) return checkedBody(schema, {});
  requireJsonType(context);
  return checkedBody(schema, parseJson(bytes));
}

/** The body as JSON of any shape. */
export async function readJson(context: ApiContext): Promise<unknown> {
  requireJsonType(context);
  return parseJson(await bodyBytes(context));
}

/** A body that has been read, checked. Throws a 400 that names each thing that is wrong with it. */
export function checkedBody<T>(schema: z.ZodType<T>, input: unknown): T {
  const result = check(schema, input);
  if (!result.ok) throw invalid(result.errors, 'body');
  return result.value;
}

function requireJsonType(context: ApiContext): void {
  const [mediaType = '', ...parameters] = (context.req.header('content-type') ?? '').toLowerCase().split(';');
  const isJson = /^application\/(?:json|[\w.+-]+\+json)$/.test(mediaType.trim());
  const charset = parameters.map((parameter) => parameter.trim()).find((each) => each.startsWith('charset='));
  const isUtf8 = charset === undefined || /^charset="?utf-?8"?$/.test(charset);
  const isPlain = (context.req.header('content-encoding') ?? 'identity').toLowerCase() === 'identity';
  if (isJson && isUtf8 && isPlain) return;
  throw new Problem(
    415,
    'The content-type must be application/json in UTF-8, without a content-encoding such as gzip.',
  );
}

/** The body as it came; it may be asked for more than once. Throws a Problem when it is too large or ends early. */
export function bodyBytes(context: ApiContext): Promise<Uint8Array> {
  const bytes = context.var.bodyBytes ?? readBytes(context);
  context.set('bodyBytes', bytes);
  return bytes;
}

/** Reads at most the limit, whatever content-length claims, so that a chunked body cannot fill the memory. */
async function readBytes(context: ApiContext): Promise<Uint8Array> {
  if (Number(context.req.header('content-length') ?? 0) > BODY_BYTES_MAX) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyChunks(context)) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, length);
}

async function* bodyChunks(context: ApiContext): AsyncGenerator<Uint8Array> {
  const reader = context.req.raw.body?.getReader();
  if (reader === undefined) return;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch(() => {
        throw new Problem(400, 'The body ended before it was complete.');
      });
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

function tooLarge(): Problem {
  return new Problem(413, `The body must be at most ${BODY_BYTES_MAX.toLocaleString('en-US')} bytes.`);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    const message = bytes.length === 0 ? 'must be JSON; it is empty' : 'must be JSON in UTF-8';
    throw invalid([{ path: '', message }], 'body');
  }
}

/** The query parameters, each given at most once, checked. Throws a 400 that names the wrong ones. */
export function readQuery<T>(context: ApiContext, schema: z.ZodType<T>): T {
  const parameters = new URL(context.req.url).searchParams;
  const repeated = [...new Set(parameters.keys())].filter((key) => parameters.getAll(key).length > 1);
  if (repeated.length > 0) throw invalid(repeated.map(givenTwice), 'query');
  const result = check(schema, Object.fromEntries(parameters));
  if (!result.ok) throw invalid(result.errors, 'query');
  return result.value;
}

function givenTwice(path: string): FieldError {
  return { path: path.slice(0, 60), message: 'must be given at most once' };
}

/** The id in the path; what cannot be one is answered as absent. */
export function idOf(context: ApiContext, what: string): string {
  const id = context.req.param('id');
  if (id === undefined || !isPlausibleId(id)) throw notFound(what);
  return id;
}

/**
 * The lead id in the path, at the place of `{lead_id}` in that of the endpoint. It may hold any character, a slash or
 * a percent sign too, so it is taken from the path as it was sent.
 */
export function leadIdOf(context: ApiContext, path: string): string {
  const sent = new URL(context.req.url).pathname.split('/')[path.split('/').indexOf('{lead_id}')] ?? '';
  const leadId = decoded(sent);
  if (leadId === undefined) {
    throw invalid([{ path: 'lead_id', message: 'must be percent-encoded UTF-8' }], 'path');
  }
  const result = check(leadIdText, leadId, 'lead_id');
  if (!result.ok) throw invalid(result.errors, 'path');
  return result.value;
}

function decoded(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined;
  }
}
