import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is wrong with the receiver while it is down. */
export const TROUBLES = ['refusing', 'failing', 'hanging'] as const;
/** refusing: nothing listens · failing: each request is answered 503 · hanging: none is answered. */
export type Trouble = (typeof TROUBLES)[number];

/** A receiver that is up takes so long to answer; without that hardly two requests would ever be open at once. */
const ANSWER_MS = 20;

/** An HTTP server on the loopback that is down in one way or another, until it is brought up. */
export class TroubledReceiver {
  readonly #trouble: Trouble;
  readonly #server: Server;
  readonly #arrivals = new Map<string, number>();
  #port = 0;
  #isUp = false;
  #open = 0;
  #openMax = 0;

  private constructor(trouble: Trouble) {
    this.#trouble = trouble;
    this.#server = createServer((request, response) => this.#receive(request, response));
  }

  /** Starts one that is down. */
  static async start(trouble: Trouble): Promise<TroubledReceiver> {
    const receiver = new TroubledReceiver(trouble);
    await receiver.#listen();
    // Its port stays its own for as long as nobody else asks the system for this very one.
    if (trouble === 'refusing') await new Promise((resolve) => receiver.#server.close(resolve));
    return receiver;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** How often each webhook-id has arrived. */
  get arrivals(): ReadonlyMap<string, number> {
    return this.#arrivals;
  }

  /** From now on every request is answered with 200. Begins to count anew how many are open at a time. */
  async bringUp(): Promise<void> {
    this.#isUp = true;
    this.#openMax = 0;
    if (this.#trouble === 'refusing') await this.#listen();
  }

  /** The most requests that were open at a time. */
  get openMax(): number {
    return this.#openMax;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  async #listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#port, '127.0.0.1', resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  #receive(request: IncomingMessage, response: ServerResponse): void {
    const id = String(request.headers['webhook-id']);
    this.#arrivals.set(id, (this.#arrivals.get(id) ?? 0) + 1);
    this.#open += 1;
    this.#openMax = Math.max(this.#openMax, this.#open);
    response.on('close', () => {
      this.#open -= 1;
    });
    request.resume();
    request.on('end', () => {
      if (this.#isUp) setTimeout(() => response.end(), ANSWER_MS);
      else if (this.#trouble === 'failing') response.writeHead(503).end();
    });
  }
}
