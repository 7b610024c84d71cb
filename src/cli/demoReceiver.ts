import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** A webhook as it was received and verified. */
export interface ReceivedFire {
  /** The `webhook-id`, the same on every attempt. */
  readonly fireId: string;
  readonly sequenceId: string;
  readonly sequenceName: string;
  readonly leadId: string;
  readonly events: readonly { readonly type: string; readonly createdAtMs: number }[];
}

/** Receives webhooks on 127.0.0.1 as the other side would: it believes nothing before the signature is verified. */
export interface WebhookReceiver {
  readonly url: string;
  /** Accepts webhooks of this sequence from now on, signed with this secret (`whsec_…`). */
  trust(sequenceId: string, secret: string): void;
  close(): Promise<void>;
}

interface WebhookBody {
  readonly trigger: { readonly id: string; readonly name: string };
  readonly lead_id: string;
  readonly events: readonly { readonly event_type: string; readonly created_at: string }[];
}

const BODY_BYTES_MAX = 2 ** 20;
/** Fire ids remembered, so that a repeated attempt is reported once. */
const SEEN_MAX = 100_000;

/**
 * Starts a receiver on any free port. `onFire` is called once per fire; a request with a bad signature gets 401
 * and goes to `onRefused` with the reason.
 */
export async function startReceiver(
  onFire: (fire: ReceivedFire) => void,
  onRefused: (reason: string) => void,
): Promise<WebhookReceiver> {
  const verifiers = new Map<string, Webhook>();
  const seen = new Set<string>();
  const receive = async (request: IncomingMessage): Promise<number> => {
    const body = await readBody(request);
    if (body === null) return 413;
    const verdict = verify(request, body, verifiers);
    if (typeof verdict === 'string') {
      onRefused(verdict);
      return 401;
    }
    if (!seen.has(verdict.fireId)) {
      if (seen.size >= SEEN_MAX) seen.clear();
      seen.add(verdict.fireId);
      onFire(verdict);
    }
    return 204;
  };
  const server = createServer((request, response) => {
    receive(request).then(
      (status) => response.writeHead(status).end(),
      () => response.destroy(),
    );
  });
  await listen(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/webhooks`,
    trust: (sequenceId, secret) => {
      verifiers.set(sequenceId, new Webhook(secret));
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
  }
  return bytes > BODY_BYTES_MAX ? null : Buffer.concat(chunks).toString('utf8');
}

/** The fire, or why the request is not to be believed. */
function verify(
  request: IncomingMessage,
  body: string,
  verifiers: ReadonlyMap<string, Webhook>,
): ReceivedFire | string {
  const parsed = parseBody(body);
  if (parsed === null) return 'the body is not a webhook';
  // The id is not to be believed yet: it only says which secret must fit.
  const verifier = verifiers.get(parsed.trigger.id);
  if (verifier === undefined) return `no secret is known for sequence ${parsed.trigger.id}`;
  try {
    verifier.verify(body, request.headers as Record<string, string>);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return {
    fireId: String(request.headers['webhook-id']),
    sequenceId: parsed.trigger.id,
    sequenceName: parsed.trigger.name,
    leadId: parsed.lead_id,
    events: parsed.events.map((event) => ({
      type: event.event_type,
      createdAtMs: Date.parse(event.created_at),
    })),
  };
}

function parseBody(text: string): WebhookBody | null {
  try {
    const body = JSON.parse(text) as Partial<WebhookBody> | null;
    const isWebhook = typeof body?.trigger?.id === 'string' && Array.isArray(body.events);
    return isWebhook ? (body as WebhookBody) : null;
  } catch {
    return null;
  }
}
