import { describe, expect, it } from 'vitest';
import { PullRequests } from '../../../src/stream/pullRequests.ts';

const LIFE_TICKS = 10;

function ticks(requests: PullRequests, count: number): void {
  for (let tick = 0; tick < count; tick += 1) requests.tick();
}

describe('the requests of a pull consumer', () => {
  it('are outstanding by the messages that they have yet to bring', () => {
    const requests = new PullRequests(LIFE_TICKS);
    requests.add(2);
    requests.add(3);
    requests.delivered();
    expect(requests.outstanding).toBe(4);
    requests.delivered();
    requests.delivered();
    expect(requests.outstanding).toBe(2);
    requests.ended(2);
    expect(requests.outstanding).toBe(0);
  });

  it('are to be replaced two ticks before the server ends them', () => {
    const requests = new PullRequests(LIFE_TICKS);
    requests.add(5);
    ticks(requests, LIFE_TICKS - 3);
    expect(requests.outstanding).toBe(5);
    ticks(requests, 1);
    expect(requests.outstanding).toBe(0);
  });

  it('do not count twice once replaced, however the server ends them', () => {
    for (const end of [
      (requests: PullRequests) => requests.ended(5),
      (requests: PullRequests) => ticks(requests, 5),
    ]) {
      const requests = new PullRequests(LIFE_TICKS);
      requests.add(5);
      ticks(requests, LIFE_TICKS - 2);
      requests.add(8);
      end(requests);
      expect(requests.outstanding).toBe(8);
    }
  });

  it('never seem outstanding where the server has dropped one without a word', () => {
    const requests = new PullRequests(LIFE_TICKS);
    requests.add(5);
    ticks(requests, LIFE_TICKS - 2);
    requests.add(8);
    // All of the second; the first was dropped.
    for (let message = 0; message < 8; message += 1) requests.delivered();
    expect(requests.outstanding).toBe(0);
  });
});
