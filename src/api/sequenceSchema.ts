import { z } from 'zod';
import { exactObject, integer, listOf, textOfBytes, textOfCharacters } from './validation.ts';

const YEAR_SECONDS = 31_536_000;
const URL_CHARACTERS_MAX = 2_048;
const ADDRESS_CHARACTERS_MAX = 254;
const LOCAL_PART_CHARACTERS_MAX = 64;

const flag = z.boolean({ error: 'true or false' });

const eventTypes = listOf(textOfBytes({ min: 1, max: 128 }), 1, 20, 'event types');

const webhookUrlAllowed =
  'an http or https URL of up to 2,048 characters, without user name, password or white space';
const webhookUrl = z.string({ error: webhookUrlAllowed }).refine(isWebhookUrl, { error: webhookUrlAllowed });

const addressAllowed = 'an email address such as name@example.com';
const emails = listOf(
  z.string({ error: addressAllowed }).refine(isEmailAddress, { error: addressAllowed }),
  0,
  20,
  'email addresses',
);

const refireMode = z.enum(['every', 'once_per_lead', 'cooldown'], {
  error: '"every", "once_per_lead" or "cooldown"',
});

/** In and out: `{ mode, cooldown_seconds }`, the seconds with the mode "cooldown" and only there. */
const refire = exactObject({
  mode: refireMode,
  cooldown_seconds: integer(1, YEAR_SECONDS).nullish(),
}).superRefine((value, context) => {
  const given = typeof value.cooldown_seconds === 'number';
  if (given === (value.mode === 'cooldown')) return;
  context.addIssue({
    code: 'custom',
    path: ['cooldown_seconds'],
    input: value.cooldown_seconds,
    message: given
      ? 'left out, or null, unless the mode is "cooldown"'
      : 'an integer from 1 to 31,536,000 where the mode is "cooldown"',
  });
});

const required = {
  name: textOfCharacters({ min: 1, max: 200, notBlank: true }),
  event_types: eventTypes,
  window_seconds: integer(1, YEAR_SECONDS),
};

const optional = {
  window_unit: textOfCharacters({ min: 1, max: 50 }).nullish(),
  ordered: flag.nullish(),
  webhook_url: webhookUrl.nullish(),
  emails: emails.nullish(),
  email_subject: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_preheader: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_message: textOfCharacters({ min: 0, max: 10_000 }).nullish(),
  active: flag.nullish(),
  refire: refire.nullish(),
  max_fire_delay_seconds: integer(1, YEAR_SECONDS).nullish(),
};

/** The body of `POST /sequences`. */
export const newSequence = exactObject({ ...required, ...optional });
export type NewSequence = z.infer<typeof newSequence>;

/** The body of `PUT` and `PATCH /sequences/{id}`: any of the fields; null clears an optional one. */
export const sequencePatch = exactObject({ ...z.object(required).partial().shape, ...optional });
export type SequencePatch = z.infer<typeof sequencePatch>;

/** The body of a POST that needs none: empty, or an empty object. */
export const noFields = exactObject({});

function isWebhookUrl(value: string): boolean {
  // The URL parser forgives white space and missing slashes; what is stored is what will be called, so we do not.
  if (value.length > URL_CHARACTERS_MAX || /\s|\p{Cc}|\p{Surrogate}/u.test(value)) return false;
  if (!/^https?:\/\/[^/\\?#]/i.test(value) || !URL.canParse(value)) return false;
  const url = new URL(value);
  return url.username === '' && url.password === '' && !/^[^/?#]*\/\/[^/?#]*@/.test(value);
}

const ADDRESS_PATTERN =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

/** A dot-atom at a host name of two labels or more: what SMTP servers accept without extensions. */
function isEmailAddress(value: string): boolean {
  return (
    value.length <= ADDRESS_CHARACTERS_MAX &&
    value.indexOf('@') <= LOCAL_PART_CHARACTERS_MAX &&
    ADDRESS_PATTERN.test(value)
  );
}
