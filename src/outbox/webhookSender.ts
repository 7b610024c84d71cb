import {
  AddressRefusedError,
  type Cidr,
  checkWebhookUrl,
  type Lookup,
  parseCidrs,
  systemLookup,
} from './addressGuard.ts';
import { Connections, ProxyError, type Route } from './connections.ts';
import { exchange } from './exchange.ts';
import { noAnswer, type Outgoing, type Sender, type SendResult } from './sender.ts';
import { signatureHeaders } from './signature.ts';
import { transportError } from './transportError.ts';
import { resultOf } from './webhookAnswer.ts';
import { type WebhookMessage, webhookMessage } from './webhookMessage.ts';

/** URLs whose check is remembered, since most attempts go to few. */
const ROUTES_MAX = 4_096;

export interface WebhookSenderOptions {
  /** Of this program, for the user agent. */
  readonly version: string;
  /** For the whole attempt: name resolution, connection, headers and body. */
  readonly timeoutMs: number;
  readonly allowedCidrs: readonly Cidr[];
  /** Connections to one origin, and to the proxy, at a time: as many as attempts under way. */
  readonly connectionsMax?: number;
  /** A forward proxy that all webhooks go through, with its credentials; null: none. */
  readonly proxyUrl?: string | null;
  /** Certificates in PEM form that are trusted beside the built-in ones. */
  readonly caPem?: string | null;
  /** Resolves host names; the system's unless told otherwise. */
  readonly lookup?: Lookup;
}

/** The same in values that can be sent to a thread. */
export type PlainSenderOptions = Omit<WebhookSenderOptions, 'allowedCidrs' | 'lookup'> & {
  /** As `parseCidrs` reads them. */
  readonly allowedCidrs: readonly string[];
};

/** A sample has the same body as a fire, so that a receiver can be tried with it: a header marks it. */
const SAMPLE_HEADER = { 'sequence-triggers-sample': 'true' };

/**
 * Posts signed webhooks. An attempt succeeds on a complete 2xx answer, or one that reached the limit of what
 * is read. Redirects are not followed, since they could lead past the address guard. Nothing is sent twice in one
 * attempt, also not when a connection that was kept turns out to be closed.
 */
export class WebhookSender implements Sender {
  readonly #options: WebhookSenderOptions;
  readonly #connections: Connections;
  readonly #userAgent: string;
  /** Of URLs that were checked. Nothing of it changes with time: what a name resolves to is not in it. */
  readonly #routes = new Map<string, Route>();

  constructor(options: WebhookSenderOptions) {
    const { timeoutMs, allowedCidrs } = options;
    this.#options = options;
    this.#userAgent = `sequence-triggers/${options.version}`;
    this.#connections = new Connections({
      timeoutMs,
      allowedCidrs,
      perOriginMax: options.connectionsMax ?? 64,
      proxyUrl: options.proxyUrl ?? null,
      caPem: options.caPem ?? null,
      lookup: options.lookup ?? systemLookup,
    });
  }

  /** Throws an error that names what cannot be used. */
  static of(options: PlainSenderOptions): WebhookSender {
    return new WebhookSender({ ...options, allowedCidrs: parseCidrs(options.allowedCidrs) });
  }

  /** Origins that connections are kept for. */
  get originCount(): number {
    return this.#connections.originCount;
  }

  async send(outgoing: Outgoing, signal: AbortSignal): Promise<SendResult> {
    return this.post(webhookMessage(outgoing), signal);
  }

  /** Makes one attempt. Never rejects: whatever goes wrong is a failed one. */
  async post(message: WebhookMessage, signal: AbortSignal): Promise<SendResult> {
    const { destination, id, nowMs, secrets, isSample } = message;
    try {
      const route = this.#routes.get(destination) ?? this.#newRoute(destination);
      const body = Buffer.from(message.body);
      const request = {
        path: route.path,
        method: 'POST' as const,
        headers: {
          'content-type': 'application/json',
          'user-agent': this.#userAgent,
          ...signatureHeaders(id, nowMs, body, secrets),
          ...(isSample ? SAMPLE_HEADER : {}),
          ...route.headers,
        },
        body,
        servername: route.servername,
      };
      const dispatcher = this.#connections.dispatcher(route);
      const answer = await exchange(dispatcher, request, this.#options.timeoutMs, signal);
      if (answer.status === 407 && route.origin === null)
        throw new ProxyError('the proxy did not accept the credentials');
      return resultOf(answer, nowMs);
    } catch (error) {
      const { kind, detail } = transportError(error);
      return noAnswer(kind, detail);
    }
  }

  async close(): Promise<void> {
    await this.#connections.destroy();
  }

  /** A lookup is never asked about a literal address, so that is checked here. */
  #newRoute(destination: string): Route {
    const check = checkWebhookUrl(destination, this.#options.allowedCidrs);
    if (!check.ok) throw new AddressRefusedError(check.message);
    const route = this.#connections.route(check.url);
    if (this.#routes.size >= ROUTES_MAX) this.#routes.clear();
    this.#routes.set(destination, route);
    return route;
  }
}
