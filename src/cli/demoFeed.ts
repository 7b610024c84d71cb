/** What visitors of a small shop do, one after the other: each journey is the path of one lead. */
const JOURNEYS: readonly (readonly string[])[] = [
  ['page_view', 'product_view', 'add_to_cart', 'page_view', 'purchase'],
  ['pricing_view', 'page_view', 'pricing_view', 'docs_view', 'pricing_view'],
  ['docs_view', 'demo_requested', 'page_view', 'pricing_view'],
  ['page_view', 'product_view', 'add_to_cart', 'page_view'],
];

const LEADS = [
  'ada',
  'barbara',
  'edsger',
  'frances',
  'grace',
  'hedy',
  'katherine',
  'margaret',
  'radia',
  'tim',
];

/** Leads that are under way at once: few, so that journeys end soon. */
const LEADS_UNDER_WAY = 4;

export interface DemoEvent {
  readonly leadId: string;
  readonly type: string;
}

/** Sequences that these journeys complete: bodies of `POST /sequences`. */
export const DEMO_SEQUENCES = [
  {
    name: 'Looked, carted, bought',
    event_types: ['product_view', 'add_to_cart', 'purchase'],
    window_seconds: 600,
    ordered: true,
  },
  {
    name: 'Three looks at the prices',
    event_types: ['pricing_view', 'pricing_view', 'pricing_view'],
    window_seconds: 3_600,
    ordered: true,
    emails: ['sales@example.com'],
    email_subject: 'A lead keeps coming back to the prices',
    email_message: 'This lead has looked at the prices three times within an hour.',
  },
  {
    name: 'Demo wanted and prices read',
    event_types: ['demo_requested', 'pricing_view'],
    window_seconds: 86_400,
    ordered: false,
    emails: ['sales@example.com', 'demo-team@example.com'],
    email_subject: 'Somebody wants a demo and knows the prices',
  },
] as const;

interface Walk {
  readonly leadId: string;
  readonly journey: readonly string[];
  next: number;
}

/**
 * Events without end: a few leads under way, each through a journey, interleaved by chance. `random` gives
 * numbers from 0 to under 1; the same numbers give the same events.
 */
export function* demoEvents(random: () => number): Generator<DemoEvent, never> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)] as T;
  const walks: Walk[] = [];
  const start = (): Walk => {
    const free = LEADS.filter((lead) => walks.every((walk) => walk.leadId !== lead));
    return { leadId: pick(free), journey: pick(JOURNEYS), next: 0 };
  };
  while (walks.length < LEADS_UNDER_WAY) walks.push(start());
  for (;;) {
    const walk = pick(walks);
    yield { leadId: walk.leadId, type: walk.journey[walk.next] as string };
    walk.next += 1;
    if (walk.next === walk.journey.length) {
      walks.splice(walks.indexOf(walk), 1);
      walks.push(start());
    }
  }
}
