import { isIP, isIPv4 } from 'node:net';
import { z } from 'zod';

/**
 * Schemas of single values. The description of each says what is allowed: it is what the person who
 * configured something else gets to read. A value comes as text from the environment, and as text or as
 * its JSON equivalent (number, array) from a file.
 */

const MS_PER_UNIT: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** Milliseconds of `45d`, `90s`, `250ms`; a number alone is in seconds. Null when it is no duration. */
export function parseDurationMs(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d|w)?$/.exec(text.trim());
  if (match === null) return null;
  const durationMs = Math.round(Number(match[1]) * (MS_PER_UNIT[match[2] ?? 's'] ?? 1));
  return Number.isSafeInteger(durationMs) ? durationMs : null;
}

/** An integer within limits, in decimal digits. */
export function integer(min: number, max: number) {
  return z
    .union([
      z.number(),
      z
        .string()
        .trim()
        .regex(/^-?\d+$/)
        .transform(Number),
    ])
    .pipe(z.int().min(min).max(max))
    .describe(`an integer from ${min} to ${max}`);
}

/** One of a few words. */
export function oneOf<const Words extends readonly [string, ...string[]]>(...words: Words) {
  return z.enum(words).describe(`one of ${words.join(', ')}`);
}

/** Text that matches a pattern. */
export function text(pattern: RegExp, allowed: string) {
  return z.string().regex(pattern).describe(allowed);
}

/** A URL with one of the given schemes and a host. */
export function urlOf(...schemes: readonly string[]) {
  const forms = schemes.map((scheme) => `${scheme}://host:port`).join(' or ');
  return z
    .string()
    .refine((value) => {
      const url = URL.canParse(value) ? new URL(value) : null;
      return url !== null && url.hostname !== '' && schemes.includes(url.protocol.slice(0, -1));
    })
    .describe(`a URL like ${forms}`);
}

const durationInput = z.union([z.string(), z.number().transform(String)]);

/** A duration, in milliseconds. */
export function duration(allowed: string) {
  return durationInput
    .transform(parseDurationMs)
    .refine((durationMs): durationMs is number => durationMs !== null)
    .describe(allowed);
}

/** How long something is kept, in milliseconds: a second or more, or 0, which is for good. */
export function ageOrForever() {
  const allowed =
    'a duration of 1s or more such as 90d or 12h; a number alone is in seconds, 0 keeps for good';
  return duration(allowed)
    .refine((durationMs) => durationMs === 0 || durationMs >= 1_000)
    .describe(allowed);
}

/** A comma-separated list, or a JSON array; entries are trimmed, an empty list is allowed. */
function entries<Entry extends z.ZodType>(entry: Entry) {
  const split = z.string().transform((value) => {
    const parts = value.split(',').map((part) => part.trim());
    // Only wholly empty text is an empty list; an empty entry among others is a slip of the pen.
    return parts.length === 1 && parts[0] === '' ? [] : parts;
  });
  return z.union([z.array(z.unknown()), split]).pipe(z.array(entry));
}

/** A list of durations, in milliseconds, of 1 to `lengthMax` entries. */
export function durations(lengthMax: number) {
  return entries(duration(''))
    .refine((list) => list.length >= 1 && list.length <= lengthMax)
    .describe(`1 to ${lengthMax} durations separated by commas, such as 0s,5s,5m,2h`);
}

function isCidr(value: string): boolean {
  const [address, prefix, ...rest] = value.split('/');
  if (address === undefined || prefix === undefined || rest.length > 0) return false;
  return isIP(address) !== 0 && /^\d{1,3}$/.test(prefix) && Number(prefix) <= (isIPv4(address) ? 32 : 128);
}

/** A list of address ranges. */
export function cidrs() {
  return entries(z.string().refine(isCidr)).describe(
    'address ranges separated by commas, such as 127.0.0.0/8,fd00::/8',
  );
}

/** A list of origins of web pages, each exactly as a browser sends it. */
export function origins() {
  const isOrigin = (value: string) =>
    URL.canParse(value) && /^https?:$/.test(new URL(value).protocol) && new URL(value).origin === value;
  return entries(z.string().refine(isOrigin)).describe(
    'origins separated by commas, each exactly as a browser sends it, such as https://app.example.com,http://localhost:3000',
  );
}

/** API tokens of OUs: `ou=token,ou2=token2`. A token may stand only once, since it decides the OU. */
export function tokens() {
  const pair = z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}=[\x21-\x7e]{1,256}$/)
    .transform((value) => {
      const cut = value.indexOf('=');
      return { ou: value.slice(0, cut), token: value.slice(cut + 1) };
    });
  return entries(pair)
    .refine((list) => new Set(list.map((entry) => entry.token)).size === list.length)
    .describe(
      'ou=token pairs separated by commas, each token once, an OU of up to 64 letters, digits, - and _',
    );
}
