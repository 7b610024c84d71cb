import { docsHtml } from './docsHtml.ts';
import { DOCS_STYLE } from './docsStyle.ts';
import { docsPage, docsStyle, openApi } from './documentContract.ts';
import { plainRoute, type Route } from './endpoint.ts';
import { openApiDocument } from './openapi.ts';

/** The page runs nothing and loads its style alone, from here. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** `/openapi.json` and `/docs`: what can be asked, for programs and for people, of the routes and these. */
export function documentRoutes(routes: readonly Route[]): readonly Route[] {
  const endpoints = [...routes.map(({ endpoint }) => endpoint), openApi, docsPage, docsStyle];
  const document = once(() => JSON.stringify(openApiDocument(endpoints)));
  const page = once(() => docsHtml(endpoints));
  return [
    plainRoute(openApi, (context) =>
      context.newResponse(document(), 200, { 'content-type': 'application/json' }),
    ),
    plainRoute(docsPage, (context) =>
      context.newResponse(page(), 200, {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': CONTENT_SECURITY_POLICY,
        'referrer-policy': 'no-referrer',
      }),
    ),
    plainRoute(docsStyle, (context) =>
      context.newResponse(DOCS_STYLE, 200, { 'content-type': 'text/css; charset=utf-8' }),
    ),
  ];
}

/** Made at the first wish, since most runs of the program have none. */
function once(make: () => string): () => string {
  let made: string | undefined;
  return () => {
    made ??= make();
    return made;
  };
}
