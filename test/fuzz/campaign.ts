import fc from 'fast-check';
import { type Answer, toAnswer } from '../support/api.ts';
import { type DrawnRequest, exampleIdsOf, requestsTo, targetOf } from '../support/documentRequests.ts';
import { type DocumentedOperation, judgeOf, type OpenApi, operationsOf } from '../support/openapi.ts';
import { type RunningProgram, startProgram, TOKEN, temporaryDataDir } from '../support/program.ts';

/** Requests are drawn so many at a time. */
const BATCH = 500;
/** Ids of one kind that requests are made of; older ones are forgotten. */
const IDS_MAX = 50;
const FAILURES_MAX = 20;

export interface CampaignOptions {
  readonly requests: number;
  readonly seed: number;
  /** The document that answers are held against, made of the program's own. */
  readonly judgedBy?: (document: OpenApi) => OpenApi;
  readonly onProgress?: (made: number) => void;
}

export interface CampaignResult {
  readonly requests: number;
  readonly statuses: ReadonlyMap<number, number>;
  /** A request and what is wrong with its answer, each; at most 20. */
  readonly failures: readonly string[];
}

interface Drawn extends DrawnRequest {
  readonly operation: DocumentedOperation;
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
}

/**
 * Makes requests that are drawn from the document of a program to that program, one after the other, and holds each
 * answer against the document. No status above 499 is let through but a 503 that the document names.
 */
export async function runCampaign(options: CampaignOptions): Promise<CampaignResult> {
  const dataDir = temporaryDataDir();
  try {
    const program = await startProgram({
      dataDir: dataDir.path,
      env: {
        API_RATE_MAX: '0',
        // Nothing is to leave this machine, whatever URLs are drawn.
        WEBHOOK_PROXY_URL: 'http://127.0.0.1:9',
        RETRY_SCHEDULE: '1h',
      },
    });
    try {
      return await attack(program, options);
    } finally {
      // Killed, it would leave its NATS server behind.
      await program.stop();
    }
  } finally {
    dataDir.remove();
  }
}

async function attack(program: RunningProgram, options: CampaignOptions): Promise<CampaignResult> {
  const document = await program.call<OpenApi>('GET', '/openapi.json');
  const { objections } = judgeOf(options.judgedBy?.(document) ?? document);
  const ofRoles = await tokensOfRoles(program);
  const tokens = [...Array(10).fill(TOKEN), 'st_wrong', ...ofRoles.map(({ token }) => token)];
  const requests = anyRequest(document, tokens);
  // Those tokens are to be there to the end, so nothing asks for their removal.
  const ids = new LiveIds(new Set(ofRoles.map(({ id }) => id)));
  const statuses = new Map<number, number>();
  const failures: string[] = [];
  let made = 0;
  while (made < options.requests && failures.length < FAILURES_MAX) {
    const numRuns = Math.min(BATCH, options.requests - made);
    for (const request of fc.sample(requests, { numRuns, seed: options.seed + made })) {
      const target = ids.targetOf(request) + request.query;
      const answer = await send(program, request, target);
      ids.learn(request, answer);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      const wrong = [
        ...(answer.status >= 500 && answer.status !== 503 ? [`it is a ${answer.status}`] : []),
        ...objections(request.operation, answer),
      ];
      if (wrong.length > 0) failures.push(described(request, target, answer, wrong));
      made++;
    }
    options.onProgress?.(made);
  }
  if (program.process.exitCode !== null) failures.push(`the program ended: ${program.log().slice(-2_000)}`);
  if (/failed unexpectedly/.test(program.log())) failures.push(`the log: ${program.log().slice(-2_000)}`);
  return { requests: made, statuses, failures };
}

interface RoleToken {
  readonly id: string;
  readonly token: string;
}

/** A token of each role that may do less. */
async function tokensOfRoles(program: RunningProgram): Promise<readonly RoleToken[]> {
  const made = ['read', 'ingest', 'write'].map((role) =>
    program.call<RoleToken>('POST', '/tokens', { name: `may ${role}`, role }),
  );
  return Promise.all(made);
}

function anyRequest(document: OpenApi, tokens: readonly string[]): fc.Arbitrary<Drawn> {
  const header = fc.oneof(
    fc.record({ 'idempotency-key': fc.constantFrom('k-1', '"k-2"', 'k-3', '"', 'x'.repeat(300)) }),
    fc.record({ 'if-match': fc.constantFrom('"1"', '"2"', '*', 'W/"1"', 'x') }),
    fc.record({ 'if-none-match': fc.constantFrom('"1"', '"1", "2"', '*', 'x') }),
    fc.record({ 'x-request-id': fc.stringMatching(/^[!-~]{1,200}$/) }),
  ) as fc.Arbitrary<Record<string, string>>;
  const headers = fc.oneof({ arbitrary: fc.constant({}), weight: 2 }, { arbitrary: header, weight: 1 });
  const perOperation = operationsOf(document).map((operation) =>
    fc
      .tuple(requestsTo(operation, document), fc.constantFrom(...tokens), headers)
      .map(([request, token, some]) => ({ ...request, operation, token, headers: some })),
  );
  return fc.oneof(...perOperation);
}

async function send(program: RunningProgram, request: Drawn, target: string): Promise<Answer> {
  const { operation, token, headers, body } = request;
  const hasBody = operation.method !== 'get' && body !== undefined;
  const response = await fetch(`${program.url}${target}`, {
    method: operation.method.toUpperCase(),
    headers: {
      authorization: `Bearer ${token}`,
      ...(hasBody ? { 'content-type': 'application/json' } : {}),
      ...headers,
    },
    ...(hasBody ? { body: JSON.stringify(body) } : {}),
  });
  return toAnswer(response);
}

/** Ids that the program has given out, by the first part of the path below which they are asked for. */
class LiveIds {
  readonly #spared: ReadonlySet<string>;
  readonly #ids = new Map<string, string[]>();
  #turn = 0;

  constructor(spared: ReadonlySet<string>) {
    this.#spared = spared;
  }

  /** The path of a request, with an id that exists in place of the example of the document. */
  targetOf({ operation, id, target }: Drawn): string {
    const known = this.#of(operation.path);
    if (id === undefined || known.length === 0 || !exampleIdsOf(operation).includes(id)) return target;
    return targetOf(operation.path, known[this.#turn++ % known.length]);
  }

  learn({ operation }: Drawn, { status, json }: Answer): void {
    if (status >= 300) return;
    const entries = [json, ...Object.values(json).filter(Array.isArray).flat()] as readonly {
      id?: unknown;
    }[];
    const known = this.#of(operation.path);
    for (const { id } of entries) {
      if (typeof id === 'string' && !known.includes(id) && !this.#spared.has(id)) known.push(id);
    }
    known.splice(0, Math.max(0, known.length - IDS_MAX));
  }

  #of(path: string): string[] {
    const resource = path.split('/')[1] ?? '';
    const known = this.#ids.get(resource) ?? [];
    this.#ids.set(resource, known);
    return known;
  }
}

function described(request: Drawn, target: string, answer: Answer, wrong: readonly string[]): string {
  const { operation, body, headers } = request;
  return [
    `${operation.method.toUpperCase()} ${target} ${JSON.stringify(headers)}`,
    `  body ${JSON.stringify(body)?.slice(0, 1_000)}`,
    `  was answered ${answer.status} ${answer.text.slice(0, 1_000)}`,
    ...wrong.slice(0, 5).map((each) => `  ${each}`),
  ].join('\n');
}
