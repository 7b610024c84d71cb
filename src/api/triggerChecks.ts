import type { ApiPorts } from './ports.ts';
import { invalid } from './problem.ts';

/** Throws a 400 where webhooks may not go to a URL; `path` is where it stands in the body. */
export async function refuseForbiddenUrl(
  ports: Pick<ApiPorts, 'checkWebhookUrl'>,
  url: string | null | undefined,
  path = 'webhook_url',
): Promise<void> {
  if (typeof url !== 'string') return;
  const verdict = await ports.checkWebhookUrl(url);
  if (!verdict.ok) throw invalid([{ path, message: `is refused: ${verdict.reason}` }], 'body');
}
