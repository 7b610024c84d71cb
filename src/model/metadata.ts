/** What a sender said beside an event. */
export type Metadata = Readonly<Record<string, unknown>>;

/**
 * Metadata as it was written, a JSON object or array. To parse it takes longer than all else about an event, and only
 * events that meet a condition are asked for it.
 */
export class WrittenMetadata {
  readonly #json: string;
  #parsed: Metadata | undefined;

  /** @param json must be well-formed */
  constructor(json: string) {
    this.#json = json;
  }

  get parsed(): Metadata {
    this.#parsed ??= JSON.parse(this.#json) as Metadata;
    return this.#parsed;
  }
}

export function parsedMetadata(metadata: Metadata | WrittenMetadata | undefined): Metadata | undefined {
  return metadata instanceof WrittenMetadata ? metadata.parsed : metadata;
}
