/** How many messages a request may still bring. */
interface Request {
  left: number;
  ageTicks: number;
  /** So near its end that another has taken its place. */
  isEnding: boolean;
}

/** A request is replaced so long before its end, and given up so long behind it. */
const SPARE_TICKS = 2;

/**
 * The requests of a pull consumer that the server works on, oldest first.
 *
 * A request ends when it has brought all its messages, or with a status when its time is over. A third end has no sign:
 * a message that arrives within the last milliseconds of a request can make the server drop it, neither delivered nor
 * ended (seen with 2.9.10), and nothing comes until there is another. So each is replaced before its time is over.
 * Ticks are counted, not time, because a stalled process hears late of what has happened meanwhile.
 */
export class PullRequests {
  readonly #lifeTicks: number;
  #requests: Request[] = [];
  #outstanding = 0;

  /** @param lifeTicks the time that the server gives a request */
  constructor(lifeTicks: number) {
    this.#lifeTicks = lifeTicks;
  }

  /** Messages that are yet to come for requests that do not end soon. */
  get outstanding(): number {
    return this.#outstanding;
  }

  add(messages: number): void {
    this.#requests.push({ left: messages, ageTicks: 0, isEnding: false });
    this.#outstanding += messages;
  }

  /** One message came; where it cannot be told for which request, for one that goes on, so that too many are asked for rather than none. */
  delivered(): void {
    const request = this.#requests.find(({ isEnding }) => !isEnding) ?? this.#requests[0];
    if (request === undefined) return;
    request.left -= 1;
    if (!request.isEnding) this.#outstanding -= 1;
    if (request.left === 0) this.#remove(request);
  }

  /** The server has ended one that had so many messages left. */
  ended(left: number): void {
    const request = this.#requests.find((candidate) => candidate.left === left) ?? this.#requests[0];
    if (request !== undefined) this.#remove(request);
  }

  tick(): void {
    for (const request of [...this.#requests]) {
      request.ageTicks += 1;
      if (request.ageTicks > this.#lifeTicks + SPARE_TICKS) this.#remove(request);
      else if (request.ageTicks >= this.#lifeTicks - SPARE_TICKS && !request.isEnding) {
        request.isEnding = true;
        this.#outstanding -= request.left;
      }
    }
  }

  #remove(request: Request): void {
    if (!request.isEnding) this.#outstanding -= request.left;
    this.#requests = this.#requests.filter((other) => other !== request);
  }
}
