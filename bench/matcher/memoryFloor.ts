import type { LeadEvent } from '../../src/model/event.ts';
import type { Engine } from './engine.ts';

/** 128 bytes per lead, two cache lines: an event count, the newest time, and room for the times of 14 events. */
const RECORD_NUMBERS = 16;
const COUNT = 0;
const NEWEST = 1;
const FIRST_TIME = 2;
const TIMES = RECORD_NUMBERS - FIRST_TIME;

const OUTCOME = { kind: 'held', completions: [] } as const;

/**
 * The memory accesses that no matcher avoids, and nothing else: finding the lead by a string that was not seen
 * before, reading its record and writing the event's time into it.
 */
export class MemoryFloor implements Engine {
  readonly heldEventCount = 0;
  private readonly recordByLead = new Map<string, number>();
  private readonly records: Float64Array;

  constructor(leadsMax: number) {
    this.records = new Float64Array(leadsMax * RECORD_NUMBERS);
  }

  apply(event: LeadEvent): typeof OUTCOME {
    const { records, recordByLead } = this;
    let record = recordByLead.get(event.leadId);
    if (record === undefined) {
      record = recordByLead.size * RECORD_NUMBERS;
      recordByLead.set(event.leadId, record);
    }
    const count = records[record + COUNT]!;
    records[record + FIRST_TIME + (count % TIMES)] = event.timeMicros;
    records[record + COUNT] = count + 1;
    if (event.timeMicros > records[record + NEWEST]!) records[record + NEWEST] = event.timeMicros;
    return OUTCOME;
  }
}
