import type { Lane } from './lane.ts';

export interface Alarm {
  readonly atMs: number;
  readonly lane: Lane;
}

/** A binary min-heap by time. */
export class AlarmHeap {
  readonly #alarms: Alarm[] = [];

  get size(): number {
    return this.#alarms.length;
  }

  peek(): Alarm | undefined {
    return this.#alarms[0];
  }

  push(alarm: Alarm): void {
    const alarms = this.#alarms;
    let index = alarms.push(alarm) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if (alarms[parent]!.atMs <= alarm.atMs) break;
      alarms[index] = alarms[parent]!;
      index = parent;
    }
    alarms[index] = alarm;
  }

  pop(): void {
    const alarms = this.#alarms;
    const last = alarms.pop();
    if (last === undefined || alarms.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= alarms.length) break;
      if (child + 1 < alarms.length && alarms[child + 1]!.atMs < alarms[child]!.atMs) child += 1;
      if (alarms[child]!.atMs >= last.atMs) break;
      alarms[index] = alarms[child]!;
      index = child;
    }
    alarms[index] = last;
  }
}
