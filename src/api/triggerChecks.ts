import type { CatalogRefusal } from './catalogPorts.ts';
import type { ApiPorts } from './ports.ts';
import { invalid, notFound, Problem, unavailable } from './problem.ts';

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

/** Why a change of a trigger did not happen, in words; `kind` is what to call one and several. */
export function refusalOf(
  refused: CatalogRefusal,
  kind: { readonly one: string; readonly many: string },
  ports: Pick<ApiPorts, 'sequencesPerOuMax'>,
): Problem {
  switch (refused.reason) {
    case 'not_found':
      return notFound(kind.one);
    case 'limit': {
      const limit = ports.sequencesPerOuMax.toLocaleString('en-US');
      return new Problem(
        409,
        `There are ${limit} ${kind.many} already, which is the limit; delete one first.`,
      );
    }
    case 'unavailable': {
      const named = kind.many.replace(/^./, (letter) => letter.toUpperCase());
      return unavailable(`${named} cannot be changed at this moment; try again shortly.`);
    }
  }
}
