import fc from 'fast-check';

/** Bytes and texts as somebody would send them who wants to break the program, or does not know better. */

/** Texts at the borders of what is allowed, as they stand between the quotes of a JSON string. */
const AWKWARD_STRINGS = [
  '',
  ' ',
  'a',
  'b',
  'lead-1',
  '\\u0000',
  '\\u0000a',
  '\\n\\r\\t',
  '\\ud800',
  '\\udc00\\ud800',
  '\\ud83d\\ude00',
  'a\\udfff',
  '\\ufeffa',
  '\u{feff}a',
  '\\u2028',
  '__proto__',
  'constructor',
  'toString',
  'e\u0301',
  'é'.repeat(64),
  `${'é'.repeat(64)}a`,
  'é'.repeat(128),
  `${'é'.repeat(127)}ab`,
  `a${'é'.repeat(127)}b`,
  `a${'é'.repeat(128)}`,
  '😀'.repeat(32),
  `${'😀'.repeat(31)}€a`,
  `${'😀'.repeat(32)}a`,
  '😀'.repeat(64),
  '\\ud83d\\ude00'.repeat(64),
  '€'.repeat(85),
  `${'€'.repeat(85)}a`,
  '€'.repeat(86),
  'x'.repeat(128),
  'x'.repeat(129),
  'x'.repeat(256),
  'x'.repeat(257),
  'EVENTS:7',
  '\\x',
  '\\u12',
];

/** Times that look like one: days, hours, offsets and years that are not, or only just are. */
export const AWKWARD_TIMES = [
  '2026-01-01T00:00:00Z',
  '2026-01-01t00:00:00.5z',
  '2026-01-01 00:00:00Z',
  '2026-01-01T00:00:00',
  '2026-01-01',
  '2025-02-29T00:00:00Z',
  '2024-02-29T23:59:59.999999999Z',
  '2025-02-30T00:00:00Z',
  '1900-02-29T00:00:00Z',
  '2000-02-29T00:00:00Z',
  '2026-00-10T00:00:00Z',
  '2026-13-10T00:00:00Z',
  '2026-01-00T00:00:00Z',
  '2026-01-32T00:00:00Z',
  '2026-01-01T24:00:00Z',
  '2026-01-01T23:60:00Z',
  '2026-12-31T23:59:60Z',
  '2026-01-01T00:00:00+99:99',
  '2026-01-01T00:00:00+23:59',
  '2026-01-01T00:00:00-23:59',
  '2026-01-01T00:00:00+24:00',
  '2026-01-01T00:00:00-00:00',
  '2026-01-01T00:00:00+0100',
  '2026-01-01T00:00:00+01',
  '2026-01-01T00:00:00.Z',
  '2026-01-01T00:00:00.12345678901234567890Z',
  '2026-01-01T00:00:00,5Z',
  '2026-01-01T00:00:00Z ',
  ' 2026-01-01T00:00:00Z',
  '2026-01-01T00:00:00ZZ',
  '٢٠٢٦-01-01T00:00:00Z',
  '0000-01-01T00:00:00Z',
  '0001-01-01T00:00:00Z',
  '1684-07-27T00:00:00Z',
  '1684-07-28T00:12:25.259009Z',
  '1684-07-28T00:12:25.259008Z',
  '2255-06-05T23:47:34.740991Z',
  '2255-06-05T23:47:34.740992Z',
  '2255-06-05T23:47:34.740991+00:01',
  '9999-12-31T23:59:59Z',
  '+10000-01-01T00:00:00Z',
  '-2026-01-01T00:00:00Z',
  'Thu, 01 Jan 2026 00:00:00 GMT',
  'now',
];

/** Values as JSON text, among them what JSON has and a careless reader does not expect, or the reverse. */
const AWKWARD_VALUES = [
  'null',
  'true',
  '0',
  '-0',
  '1e308',
  '1e400',
  '-1e400',
  '123456789012345678901234567890',
  'NaN',
  'Infinity',
  '0x10',
  '01',
  'undefined',
  '[]',
  '{}',
  '[[]]',
  '{"__proto__":{"lead_id":"polluted"}}',
  '{"toString":1}',
  `${'['.repeat(2_000)}${']'.repeat(2_000)}`,
];

const NAMES = [
  'id',
  'lead_id',
  'event_type',
  'created_at',
  'timestamp',
  'metadata',
  '__proto__',
  'constructor',
  'toString',
  'Lead_Id',
  '',
];

/** JSON strings, quotes included; a few are no strings of JSON at all. */
const stringText = fc.oneof(
  { arbitrary: fc.constantFrom(...AWKWARD_STRINGS).map((text) => `"${text}"`), weight: 4 },
  { arbitrary: fc.constantFrom(...AWKWARD_TIMES).map((text) => `"${text}"`), weight: 2 },
  { arbitrary: fc.string({ unit: 'binary', maxLength: 12 }).map((text) => JSON.stringify(text)), weight: 2 },
);

export const valueText: fc.Arbitrary<string> = fc.oneof(
  { arbitrary: stringText, weight: 6 },
  { arbitrary: fc.constantFrom(...AWKWARD_VALUES), weight: 2 },
  { arbitrary: fc.json({ maxDepth: 3 }), weight: 1 },
);

/** An object as text, so that a name may stand twice, also one that an object literal would not take. */
export function objectText(
  members: fc.Arbitrary<readonly (readonly [string, string])[]>,
): fc.Arbitrary<string> {
  return members.map(
    (each) => `{${each.map(([name, value]) => `${JSON.stringify(name)}:${value}`).join(',')}}`,
  );
}

const usualTime = fc
  .integer({ min: -90, max: 90 })
  .map((seconds) => `"${new Date(Date.UTC(2026, 0, 1) + seconds * 1_000).toISOString()}"`);

/** Fields that are right more often than not, so that the later checks are reached as well. */
const eventText = objectText(
  fc
    .tuple(
      mostly(fc.constantFrom('"lead-1"', '"lead-2"', '"😀"', '"\\u0000"'), stringText),
      mostly(fc.constantFrom('"a"', '"b"', '"__proto__"'), stringText),
      fc.option(mostly(stringText, valueText), { nil: undefined }),
      fc.option(mostly(usualTime, valueText), { nil: undefined }),
      fc.array(fc.tuple(fc.constantFrom(...NAMES), valueText), { maxLength: 3 }),
    )
    .map(([leadId, type, id, createdAt, more]) => [
      ...(more.length % 2 === 0 ? more : []),
      ['lead_id', leadId] as const,
      ['event_type', type] as const,
      ...(id === undefined ? [] : [['id', id] as const]),
      ...(createdAt === undefined ? [] : [['created_at', createdAt] as const]),
      ...(more.length % 2 === 0 ? [] : more),
    ]),
);

function mostly<T>(usual: fc.Arbitrary<T>, other: fc.Arbitrary<T>): fc.Arbitrary<T> {
  return fc.oneof({ arbitrary: usual, weight: 3 }, { arbitrary: other, weight: 1 });
}

type Mutation = (bytes: Buffer<ArrayBuffer>) => Buffer<ArrayBuffer>;

/** One thing that goes wrong on the way: bytes that are cut, doubled, changed, put in or put before. */
const mutation: fc.Arbitrary<Mutation> = fc
  .record({
    kind: fc.constantFrom('cut', 'double', 'change', 'insert', 'before'),
    at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
    length: fc.integer({ min: 1, max: 9 }),
    byte: fc.oneof(
      fc.integer({ min: 0, max: 255 }),
      fc.constantFrom(...Buffer.from('"\\{}[],:0e-'), 0xed, 0xff),
    ),
  })
  .map(({ kind, at, length, byte }) => (bytes) => {
    const start = Math.floor(at * (bytes.length + 1));
    const [head, piece, tail] = [
      bytes.subarray(0, start),
      bytes.subarray(start, start + length),
      bytes.subarray(start + length),
    ];
    if (kind === 'cut') return Buffer.concat([head, length > 8 ? Buffer.alloc(0) : tail]);
    if (kind === 'double') return Buffer.concat([head, piece, piece, tail]);
    if (kind === 'change') return Buffer.concat([head, Buffer.from([byte]), piece.subarray(1), tail]);
    if (kind === 'insert') return Buffer.concat([head, Buffer.from([byte]), piece, tail]);
    return Buffer.concat([Buffer.from(byte % 2 === 0 ? '\u{feff}' : ' \n\t'), bytes]);
  });

/** Payloads of messages: some right, most of them nearly, some not at all. */
export const payload: fc.Arbitrary<Uint8Array> = fc.oneof(
  { arbitrary: eventText.map((text) => Buffer.from(text)), weight: 6 },
  {
    arbitrary: fc
      .tuple(eventText, fc.array(mutation, { minLength: 1, maxLength: 3 }))
      .map(([text, mutations]) =>
        mutations.reduce<Buffer<ArrayBuffer>>((bytes, mutate) => mutate(bytes), Buffer.from(text)),
      ),
    weight: 4,
  },
  { arbitrary: valueText.map((text) => Buffer.from(text)), weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 64 }), weight: 1 },
);

/** Subjects that the stream may deliver, and some that no server would. */
export const subject = fc.oneof(
  { arbitrary: fc.constant('events.default'), weight: 6 },
  fc.constantFrom(
    'events.default.web.eu',
    'events.Default',
    'events.a_b-c',
    `events.${'x'.repeat(64)}`,
    `events.${'x'.repeat(65)}`,
    'events.__proto__',
    'events.é',
    'events.$JS',
    'events.a=b',
    'events',
    'events.',
    'events..web',
    '',
    '.',
  ),
  fc.string({ unit: 'binary', maxLength: 12 }),
);

export const messageId = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 4 },
  fc.constantFrom('', 'id-1', 'x'.repeat(256), 'x'.repeat(257), '\ud800', 'é'.repeat(128), '%00'),
);
