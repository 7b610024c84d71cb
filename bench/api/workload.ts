const TYPES = 200;
const LEADS = 20_000;

/** As many sequences as the list shows. */
export const SEQUENCES = 1_000;
export const SEQUENCES_MIN = 50;
/** The most that the API takes in one request. */
export const BATCH_EVENTS = 1_000;

/** An event of about 230 bytes, of one of many types that sequences list and of one of many leads. */
export function eventOf(id: string, random: () => number) {
  return {
    id,
    lead_id: `lead-${Math.floor(random() * LEADS)}`,
    event_type: typeOf(random),
    created_at: now(),
    metadata: { page: '/pricing/enterprise', source: 'newsletter', visit: Math.floor(random() * 1e6) },
  };
}

/** Written once a millisecond, so that whoever makes the events takes less of the processors that are measured. */
function now(): string {
  const ms = Date.now();
  if (ms !== written.ms) written = { ms, text: new Date(ms).toISOString() };
  return written.text;
}

let written = { ms: 0, text: '' };

/** A sequence that events walk through and none completes. */
export function sequenceOf(name: string, random: () => number) {
  return {
    name,
    event_types: [typeOf(random), typeOf(random), 'never'],
    window_seconds: 604_800,
    ordered: true,
    webhook_url: 'https://example.com/hook',
  };
}

/** Skewed: the first types are the frequent ones. */
function typeOf(random: () => number): string {
  return `type-${Math.floor(TYPES * random() ** 2)}`;
}
