import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { WrittenMetadata } from '../../../src/model/metadata.ts';
import { type MessageFields, scanFields } from '../../../src/stream/scan.ts';

const NAMES = ['id', 'lead_id', 'event_type', 'created_at', 'timestamp', 'score', 'metadata'] as const;
const DEPTH_MAX = 32;

/** What the scanner has to agree with: the fields of the parsed text; null where the bytes are no JSON object. */
function parsedFields(data: Uint8Array): MessageFields | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(data));
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    const own = (name: string) =>
      Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
    return Object.fromEntries(NAMES.map((name) => [name, own(name)]));
  } catch {
    return null;
  }
}

/** What the scanner found, with metadata parsed; null where it cannot tell. */
function scannedFields(text: string | Uint8Array): MessageFields | null {
  const fields = scanFields(typeof text === 'string' ? Buffer.from(text) : text);
  if (fields === undefined) return null;
  const { metadata } = fields;
  return { ...fields, metadata: metadata instanceof WrittenMetadata ? metadata.parsed : metadata };
}

const characters = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...'abz019 /:-"\\{}[],') },
  { weight: 1, arbitrary: fc.constantFrom('\n', '\t', '\0', '\x7f', 'é', '語', '😀', '\ud800', '\u2028') },
);
const texts = fc.string({ unit: characters, maxLength: 12 });
/** A value as JSON spells it. */
class Spelled {
  readonly json: string;
  constructor(json: string) {
    this.json = json;
  }
}
const spellings = ['-0', '1e999', '1E+2', '0.5e-3', '12.50', '-7', 'true', 'false', 'null'];
const literals = fc.constantFrom(...spellings).map((json) => new Spelled(json));
const values = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    texts,
    literals,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.array(fc.tuple(texts, tie('value')), { maxLength: 3 }).map((members) => new Map(members)),
  ),
})).value;
const names = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom<string>(...NAMES) },
  { weight: 1, arbitrary: texts },
);

/** An object as some writer would spell it: with any space, names twice, all that is not ASCII escaped or nothing. */
const messages = fc
  .tuple(
    fc.array(fc.tuple(names, values), { maxLength: 9 }),
    fc.constantFrom('', '', ' ', '\n\t\r '),
    fc.boolean(),
  )
  .map(([members, space, isAscii]) => {
    const finish = (text: string) => (isAscii ? text.replace(/[^\n\t\r -~]/g, escaped) : text);
    return {
      text: finish(spellObject(members, space)),
      hasEscapedName: members.some(([name]) => finish(JSON.stringify(name)).includes('\\')),
    };
  });

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

function spellObject(members: Iterable<readonly [string, unknown]>, space: string): string {
  const spelled = [...members].map(
    ([name, value]) => `${JSON.stringify(name)}${space}:${space}${spell(value, space)}`,
  );
  return `${space}{${space}${spelled.join(`${space},${space}`)}${space}}${space}`;
}

function spell(value: unknown, space: string): string {
  if (value instanceof Spelled) return value.json;
  if (value instanceof Map) return spellObject(value, space);
  if (!Array.isArray(value)) return JSON.stringify(value);
  return `[${space}${value.map((item) => spell(item, space)).join(`${space},${space}`)}${space}]`;
}

describe('scanning a message for its fields', () => {
  it('finds in whatever is a JSON object what JSON.parse finds', () => {
    fc.assert(
      fc.property(messages, ({ text, hasEscapedName }) => {
        const expected = parsedFields(Buffer.from(text));
        expect(expected).not.toBeNull();
        const scanned = scannedFields(text);
        if (hasEscapedName) expect(scanned).toBeNull();
        else expect(scanned).toEqual(expected);
      }),
      { numRuns: 3_000 },
    );
  });

  it('never takes for an object what JSON.parse does not, wherever a byte is changed, lost or added', () => {
    const damage = fc.tuple(
      fc.nat(),
      fc.constantFrom('change', 'lose', 'add', 'cut'),
      fc.integer({ min: 0, max: 255 }),
    );
    fc.assert(
      fc.property(messages, damage, ({ text }, [place, kind, byte]) => {
        const bytes = [...Buffer.from(text)];
        const at = place % bytes.length;
        if (kind === 'cut') bytes.length = at;
        else bytes.splice(at, kind === 'add' ? 0 : 1, ...(kind === 'lose' ? [] : [byte]));
        const data = Uint8Array.from(bytes);
        const scanned = scannedFields(data);
        if (scanned !== null) expect(scanned).toEqual(parsedFields(data));
      }),
      { numRuns: 10_000 },
    );
  });

  it.each([
    '',
    ' ',
    '[]',
    'null',
    '"{}"',
    '{',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{,"a":1}',
    '{"a":1 "b":2}',
    '{"a":01}',
    '{"a":-}',
    '{"a":1.}',
    '{"a":.5}',
    '{"a":1e}',
    '{"a":+1}',
    '{"a":tru}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":"\t"}',
    '{"a":[1,]}',
    '{"a":[1}',
    '{"a":{"b":1]}',
    "{'a':1}",
    '{}{}',
    '{}x',
    '\ufeff{}',
  ])('leaves %j to JSON.parse', (text) => {
    expect(scanFields(Buffer.from(text))).toBeUndefined();
  });

  it('leaves bytes that are no UTF-8, wherever they are, to whoever rejects them', () => {
    for (const name of ['lead_id', 'other']) {
      const bytes = Buffer.concat([
        Buffer.from(`{"${name}":"`),
        Buffer.from([0xc3, 0x28]),
        Buffer.from('"}'),
      ]);
      expect(scanFields(bytes)).toBeUndefined();
    }
  });

  it('leaves a name with an escape to JSON.parse, as it may be one that is read', () => {
    expect(scanFields(Buffer.from('{"lead\\u005fid":"a"}'))).toBeUndefined();
    expect(scannedFields('{"other":"\\u005f","lead_id":"a"}')).toMatchObject({ lead_id: 'a' });
  });

  it('reads values with escapes and with characters of several bytes', () => {
    const text = '{"metadata":{"städte":["Köln \\ud83d\\ude00"]},"lead_id":"Zo\\u00eb","event_type":"次"}';
    expect(scannedFields(text)).toMatchObject({
      metadata: { städte: ['Köln 😀'] },
      lead_id: 'Zoë',
      event_type: '次',
    });
  });

  it('takes the last of several values of one name', () => {
    expect(scannedFields('{"lead_id":"a","lead_id":7,"id":"x","id":"y"}')).toMatchObject({
      lead_id: 7,
      id: 'y',
    });
  });

  it(`reads values nested ${DEPTH_MAX} deep, and leaves deeper ones to JSON.parse`, () => {
    const nested = (depth: number) => `{"lead_id":"a","metadata":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(scanFields(Buffer.from(nested(DEPTH_MAX)))).toMatchObject({ lead_id: 'a' });
    expect(scanFields(Buffer.from(nested(DEPTH_MAX + 1)))).toBeUndefined();
    expect(scanFields(Buffer.from(nested(100_000)))).toBeUndefined();
  });
});
