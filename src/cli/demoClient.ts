/** The parts of the HTTP API that the demo uses, as any client would. */

export interface CreatedSequence {
  readonly id: string;
  readonly name: string;
  readonly webhook_secret: string;
  readonly webhook_url?: string | null;
}

export interface FireRow {
  readonly id: string;
  readonly lead_id: string;
}

/** An answer other than the one hoped for; the message is what the API said. */
export class ApiRefusal extends Error {}

const PAGE_LIMIT = 100;

export class DemoClient {
  readonly #baseUrl: string;
  readonly #token: string;

  constructor(baseUrl: string, token: string) {
    this.#baseUrl = baseUrl;
    this.#token = token;
  }

  async createSequence(body: unknown): Promise<CreatedSequence> {
    return (await this.#request('POST', '/sequences', body)) as CreatedSequence;
  }

  /** Every fire of a sequence, newest first. */
  async *fires(sequenceId: string): AsyncGenerator<FireRow> {
    for (let page = 1; ; page += 1) {
      const query = new URLSearchParams({ sequence_id: sequenceId, page: `${page}`, limit: `${PAGE_LIMIT}` });
      const answer = (await this.#request('GET', `/sequence-events?${query}`)) as { events: FireRow[] };
      yield* answer.events;
      if (answer.events.length < PAGE_LIMIT) return;
    }
  }

  /** The samples of /metrics: `name{label="value"}` → value. */
  async metrics(): Promise<ReadonlyMap<string, number>> {
    const response = await fetch(`${this.#baseUrl}/metrics`);
    const lines = (await response.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    return new Map(
      lines.map((line) => {
        const cut = line.lastIndexOf(' ');
        return [line.slice(0, cut), Number(line.slice(cut + 1))];
      }),
    );
  }

  async #request(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#baseUrl}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    if (!response.ok) throw new ApiRefusal(`${method} ${path} was answered with ${response.status}: ${text}`);
    return JSON.parse(text);
  }
}
