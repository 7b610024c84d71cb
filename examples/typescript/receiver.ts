import { createServer, type IncomingMessage } from 'node:http';
import { Webhook } from 'standardwebhooks';

/** Receives the webhooks of one sequence: verifies each by the secret of the sequence, and handles each id once. */

const secret = process.env.WEBHOOK_SECRET ?? '';
const port = Number(process.env.RECEIVER_PORT ?? 9000);

interface Fired {
  readonly trigger: { readonly id: string; readonly name: string; readonly type: 'sequence' };
  readonly lead_id: string;
  readonly sequence: readonly string[];
  readonly events: readonly { readonly id: string; readonly event_type: string; readonly created_at: string }[];
}

const webhook = new Webhook(secret);
/** A real receiver keeps them where it keeps its work, for as long as attempts may be repeated. */
const handled = new Set<string>();

const server = createServer(async (request, response) => {
  const body = await textOf(request);
  try {
    webhook.verify(body, request.headers as Record<string, string>);
  } catch {
    response.writeHead(401).end();
    return;
  }
  const id = String(request.headers['webhook-id']);
  if (!handled.has(id)) {
    handled.add(id);
    const { trigger, lead_id, events } = JSON.parse(body) as Fired;
    console.log(`${lead_id} completed "${trigger.name}": ${events.map((event) => event.event_type).join(', ')}`);
  }
  // Anything else than 2xx is tried again.
  response.writeHead(204).end();
});

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

server.listen(port, '127.0.0.1', () => console.log(`listening on ${port}`));
process.once('SIGTERM', () => server.close());
