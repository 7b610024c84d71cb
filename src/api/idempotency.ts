import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { type Route, takesIdempotencyKey } from './endpoint.ts';
import type { AnswerPlace, AnswerPort, KeptAnswer } from './ports.ts';
import { invalid, Problem, unavailable } from './problem.ts';
import { type ApiContext, bearerOf, bodyBytes, freshIdOf } from './request.ts';

const KEY_ALLOWED = '1 to 255 visible ASCII characters, in quotes or not';
/** Of the headers of an answer, those that speak of what was done. */
const KEPT_HEADERS = ['content-type', 'location', 'etag'];
const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/**
 * Makes a POST with an Idempotency-Key once, as draft-ietf-httpapi-idempotency-key-header-07 has it: whoever asks
 * again gets the first answer. Only success is kept.
 *
 * Before anything is done, the fingerprint and the fresh id of the request are on disk, and before the answer is
 * given, so is the answer. A crash in between leaves a request of which nobody knows how it ended. Asked again, it is
 * made again with the same fresh id, by which the work finds what it made before.
 *
 * Answers may hold secrets. So they are encrypted with a key made of the bearer token and the Idempotency-Key, neither
 * of which is on disk.
 */
export class IdempotentRequests {
  readonly #answers: AnswerPort;
  /** Fingerprints of the requests under way, by place. */
  readonly #underWay = new Map<string, string>();

  constructor(answers: AnswerPort) {
    this.#answers = answers;
  }

  /** What handles a request to the route. */
  handlerOf(route: Route): Route['handle'] {
    if (!takesIdempotencyKey(route.endpoint)) return route.handle;
    return async (context) => {
      const key = keyOf(context);
      return key === undefined ? route.handle(context) : this.#handle(route, context, key);
    };
  }

  async #handle(route: Route, context: ApiContext, key: string): Promise<Response> {
    const request = await keyedRequest(route, context, key);
    const { place, fingerprint } = request;
    const name = `${place.tokenId} ${place.key}`;
    const other = this.#underWay.get(name);
    if (other !== undefined) throw other === fingerprint ? isUnderWay() : isAnother();
    this.#underWay.set(name, fingerprint);
    try {
      const kept = await this.#answers.get(place);
      if (kept !== undefined && kept.fingerprint !== fingerprint) throw isAnother();
      const sealed = kept?.sealed ?? null;
      return sealed === null
        ? await this.#make(request, kept)
        : replay(context, request.secrets.open(sealed));
    } finally {
      this.#underWay.delete(name);
    }
  }

  /** Makes a request for the first time, or again after one whose end nobody saw. */
  async #make(request: KeyedRequest, kept: KeptAnswer | undefined): Promise<Response> {
    const { context, place, secrets, fingerprint } = request;
    const begun = kept ?? { fingerprint, freshId: freshIdOf(context), sealed: null };
    context.set('freshId', begun.freshId);
    if (!(await this.#answers.put(place, begun))) {
      throw unavailable('Answers cannot be kept for Idempotency-Key at this moment; try again shortly.');
    }
    const response = await this.#answerOf(request, kept === undefined);
    const answer = { status: response.status, headers: keptHeaders(response), body: await response.text() };
    // Where it cannot be written, the request counts as one whose end nobody saw.
    await this.#answers.put(place, { ...begun, sealed: secrets.seal(answer) });
    return new Response(answer.body, { status: answer.status, headers: response.headers });
  }

  /** What is refused at once did nothing: the key is free again, for the request as it should have been. */
  async #answerOf({ route, context, place }: KeyedRequest, isFirst: boolean): Promise<Response> {
    try {
      return await route.handle(context);
    } catch (error) {
      const isRefused = error instanceof Problem && error.status < 500;
      if (isRefused && isFirst) await this.#answers.remove(place);
      throw error;
    }
  }
}

interface KeyedRequest {
  readonly route: Route;
  readonly context: ApiContext;
  readonly secrets: Secrets;
  readonly place: AnswerPlace;
  /** Of the method, the target and the body. */
  readonly fingerprint: string;
}

async function keyedRequest(route: Route, context: ApiContext, key: string): Promise<KeyedRequest> {
  const secrets = new Secrets(bearerOf(context) ?? '', key);
  const { pathname, search } = new URL(context.req.url);
  const asked = secrets.derive(`${context.req.method} ${pathname}${search}`, await bodyBytes(context));
  return {
    route,
    context,
    secrets,
    place: { tokenId: context.var.owner.id, key: secrets.derive('place').toString('hex') },
    fingerprint: asked.toString('hex'),
  };
}

function keyOf(context: ApiContext): string | undefined {
  const header = context.req.header('idempotency-key');
  if (header === undefined) return undefined;
  const [, quoted, plain] =
    /^(?:"([\x20-\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/.exec(header.trim()) ?? [];
  const key = quoted ?? plain;
  if (key !== undefined) return key;
  const message = `must be ${KEY_ALLOWED}; got ${Buffer.byteLength(header)} bytes`;
  throw invalid([{ path: 'Idempotency-Key', message }], 'header');
}

function isUnderWay(): Problem {
  return new Problem(
    409,
    'A request with this Idempotency-Key is under way; its answer can be had shortly.',
    {
      headers: { 'retry-after': '1' },
    },
  );
}

function isAnother(): Problem {
  return new Problem(
    422,
    'This Idempotency-Key was used for another request; take a new key, or send that request again.',
  );
}

function keptHeaders({ headers }: Response): Record<string, string> {
  const kept = KEPT_HEADERS.map((name) => [name, headers.get(name)] as const);
  return Object.fromEntries(kept.flatMap(([name, value]) => (value === null ? [] : [[name, value]])));
}

function replay(context: ApiContext, { status, headers, body }: PlainAnswer): Response {
  context.set('answerBytes', Buffer.byteLength(body));
  return new Response(body, { status, headers: { ...headers, 'idempotency-replayed': 'true' } });
}

/** What only someone with both the token and the key can make. */
class Secrets {
  readonly #token: string;
  readonly #key: string;

  constructor(token: string, key: string) {
    this.#token = token;
    this.#key = key;
  }

  /** 32 bytes for one purpose. */
  derive(purpose: string, data: Uint8Array = new Uint8Array()): Buffer {
    const hmac = createHmac('sha256', this.#token).update(`${JSON.stringify([purpose, this.#key])}\n`);
    return hmac.update(data).digest();
  }

  /** Nonce, tag, ciphertext. */
  seal(answer: PlainAnswer): Buffer {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv(CIPHER, this.derive('seal'), nonce);
    const sealed = Buffer.concat([cipher.update(JSON.stringify(answer), 'utf8'), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]);
  }

  open(sealed: Uint8Array): PlainAnswer {
    const tagEnd = NONCE_BYTES + TAG_BYTES;
    const decipher = createDecipheriv(CIPHER, this.derive('seal'), sealed.subarray(0, NONCE_BYTES));
    decipher.setAuthTag(sealed.subarray(NONCE_BYTES, tagEnd));
    const text = Buffer.concat([decipher.update(sealed.subarray(tagEnd)), decipher.final()]).toString('utf8');
    return JSON.parse(text) as PlainAnswer;
  }
}
