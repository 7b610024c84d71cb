import { STATUS_CODES } from 'node:http';
import { escaped, inline, paragraphs } from './docsText.ts';
import { type AnyEndpoint, examplePath, problemsOf, roleOf, TAGS } from './endpoint.ts';
import { DESCRIPTION, headersTaken, unchangedOf } from './openapi.ts';
import { documented, type JsonSchema } from './validation.ts';
import {
  MILESTONE_EXAMPLE,
  milestoneBody,
  WEBHOOK_DESCRIPTION,
  WEBHOOK_EXAMPLE,
  WEBHOOK_HEADERS,
  webhookBody,
} from './webhookContract.ts';

/** The page of `/docs`: every endpoint with its parameters, body, answers and a request to copy. No script. */
export function docsHtml(endpoints: readonly AnyEndpoint[]): string {
  const tags = Object.entries(TAGS).map(([name, about]) => ({
    name,
    about,
    endpoints: endpoints.filter(({ tag }) => tag === name),
  }));
  const menu = tags.map(
    ({ name, endpoints: those }) => `<h2>${name}</h2><ul>${those.map(menuEntry).join('')}</ul>`,
  );
  const sections = tags.map(
    ({ name, about, endpoints: those }) =>
      `<section id="${name}"><h2>${name}</h2><p>${inline(about)}</p>${those.map(endpointHtml).join('')}</section>`,
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>sequence-triggers: HTTP API</title>
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<nav>${menu.join('')}<h2><a href="#webhook">Webhooks</a></h2></nav>
<main>
<h1>sequence-triggers: HTTP API</h1>
${paragraphs(DESCRIPTION)}
<p>For programs: <a href="/openapi.json">/openapi.json</a> (OpenAPI 3.1). In the examples, <code>$TOKEN</code> is
a token and <code>$BASE</code> is where this page comes from, such as <code>http://127.0.0.1:8080</code>.</p>
${sections.join('\n')}
${webhookHtml()}
</main>
</body>
</html>
`;
}

/** What we send, as opposed to what can be asked. */
function webhookHtml(): string {
  const headers = Object.entries(WEBHOOK_HEADERS).map(
    ([name, about]) => `<tr><th><code>${name}</code></th><td>${inline(about)}</td></tr>`,
  );
  return `<section id="webhook"><h2>Webhooks</h2>
<article><p>${inline(WEBHOOK_DESCRIPTION)}</p>
<h4>Headers</h4><div class="wide"><table><tbody>${headers.join('')}</tbody></table></div>
${fieldsHtml('Body about a sequence', documented(webhookBody))}
<h4>Example</h4>${codeHtml(JSON.stringify(WEBHOOK_EXAMPLE, null, 2))}
${fieldsHtml('Body about a milestone trigger', documented(milestoneBody))}
<h4>Example</h4>${codeHtml(JSON.stringify(MILESTONE_EXAMPLE, null, 2))}</article></section>`;
}

function menuEntry({ name, method, path }: AnyEndpoint): string {
  return `<li><a href="#${name}">${methodHtml(method)} ${escaped(path)}</a></li>`;
}

function methodHtml(method: string): string {
  return `<span class="method ${method}">${method.toUpperCase()}</span>`;
}

function endpointHtml(endpoint: AnyEndpoint): string {
  const { name, method, path, summary, description, query, body, answer, example, alternative } = endpoint;
  const statuses = {
    [answer.status]: answer.description,
    ...(alternative && { [alternative.status]: alternative.description }),
    ...unchangedOf(endpoint),
    ...problemsOf(endpoint),
  };
  return [
    `<article id="${name}">`,
    `<h3>${methodHtml(method)} <code>${escaped(path)}</code> ${inline(summary)}</h3>`,
    `<p>${inline(description)}</p>`,
    needsHtml(endpoint),
    query && fieldsHtml('Parameters', documented(query)),
    body && fieldsHtml('Body', documented(body.schema)),
    `<h4>Example</h4>${codeHtml(curl(endpoint))}`,
    answer.schema && `<h4>Answer</h4>${codeHtml(JSON.stringify(example.answer, null, 2))}`,
    answer.schema &&
      `<details><summary>Fields of the answer</summary>${fieldsHtml('', documented(answer.schema))}</details>`,
    `<details><summary>Statuses</summary><dl>${Object.entries(statuses).map(statusHtml).join('')}</dl></details>`,
    '</article>',
  ]
    .filter((part) => part !== undefined)
    .join('\n');
}

/** What it needs and takes beside parameters and a body, in a line. */
function needsHtml(endpoint: AnyEndpoint): string | undefined {
  const role = roleOf(endpoint);
  if (role === null) return undefined;
  const headers = Object.keys(headersTaken(endpoint)).map((name) => ` Takes \`${name}\`.`);
  return `<p>${inline(`Needs the role \`${role}\`.${headers.join('')}`)}</p>`;
}

function statusHtml([status, description]: readonly [string, string]): string {
  return `<dt>${status} ${STATUS_CODES[status]}</dt><dd>${inline(description)}</dd>`;
}

/** The request of the example, for a shell. */
function curl(endpoint: AnyEndpoint): string {
  const { method, isPublic, example } = endpoint;
  const query = new URLSearchParams(example.query).toString();
  const target = examplePath(endpoint) + (query === '' ? '' : `?${query}`);
  const lines = [
    `curl -s${method === 'get' ? '' : ` -X ${method.toUpperCase()}`} "$BASE${target}"`,
    ...(isPublic === true ? [] : ['-H "Authorization: Bearer $TOKEN"']),
    ...(example.body === undefined
      ? []
      : ['-H "Content-Type: application/json"', `-d '${JSON.stringify(example.body, null, 2)}'`]),
  ];
  return lines.join(' \\\n  ');
}

function codeHtml(text: string): string {
  return `<pre><code>${escaped(text)}</code></pre>`;
}

/** A table of what a schema takes; nothing where it takes no fields. */
function fieldsHtml(title: string, schema: JsonSchema): string {
  const rows = rowsOf(schema, schema, '');
  if (rows.length === 0) return '';
  return `${title === '' ? '' : `<h4>${title}</h4>`}<div class="wide"><table><tbody>${rows.join('')}</tbody></table></div>`;
}

/** A row for each field, those of objects and of entries of lists below it. Named parts stand in the root's `$defs`. */
function rowsOf(schema: JsonSchema, root: JsonSchema, at: string): readonly string[] {
  const resolved = resolve(schema, root);
  const variants = [...(resolved.anyOf ?? []), ...(resolved.oneOf ?? [])] as JsonSchema[];
  if (variants.length > 0) return variants.flatMap((variant) => rowsOf(variant, root, at));
  if (resolved.type === 'array' && typeof resolved.items === 'object') {
    return rowsOf(resolved.items as JsonSchema, root, `${at}[]`);
  }
  const required = new Set(resolved.required ?? []);
  return Object.entries(resolved.properties ?? {}).flatMap(([name, property]) => {
    const path = at === '' ? name : `${at}.${name}`;
    const field = property as JsonSchema;
    return [rowHtml(path, resolve(field, root), required.has(name)), ...rowsOf(field, root, path)];
  });
}

function rowHtml(path: string, field: JsonSchema, isRequired: boolean): string {
  const variants = [field, ...((field.anyOf ?? []) as JsonSchema[])];
  const about = variants.find(({ description }) => description !== undefined)?.description ?? '';
  const values = variants.flatMap((variant) => variant.enum ?? []).map((value) => JSON.stringify(value));
  const details = [escaped(values.join(' · ')), defaultOf(field), inline(about)].filter(
    (part) => part !== '',
  );
  return `<tr><th><code>${escaped(path)}</code></th><td>${escaped(typeOf(field))}${isRequired ? ', required' : ''}</td><td>${details.join('<br>')}</td></tr>`;
}

function defaultOf({ default: value }: JsonSchema): string {
  return value === undefined ? '' : `default ${escaped(JSON.stringify(value))}`;
}

/** The types of a field in words, with the bounds of a number or of a list. */
function typeOf(field: JsonSchema): string {
  const variants = (field.anyOf ?? []) as JsonSchema[];
  if (variants.length > 0) return variants.map((variant) => typeOf(variant)).join(' or ');
  const types = [field.type ?? 'object'].flat().join(' or ');
  const { minimum, maximum, minItems, maxItems, format } = field;
  if (maxItems !== undefined) return `${types}, ${minItems ?? 0} to ${maxItems}`;
  if (maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER) return `${types}, ${minimum} to ${maximum}`;
  return format === undefined ? types : `${types}, ${format}`;
}

function resolve(schema: JsonSchema, root: JsonSchema): JsonSchema {
  const name = schema.$ref?.replace('#/$defs/', '');
  return name === undefined ? schema : ((root.$defs?.[name] as JsonSchema | undefined) ?? {});
}
