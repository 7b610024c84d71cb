import { z } from 'zod';
import { exactObject, integer, listOf, sentence, textOfBytes, textOfCharacters } from './validation.ts';

const YEAR_SECONDS = 31_536_000;
const URL_CHARACTERS_MAX = 2_048;
const ADDRESS_CHARACTERS_MAX = 254;
const LOCAL_PART_CHARACTERS_MAX = 64;

const flag = z.boolean({ error: 'true or false' });

const eventTypes = listOf(textOfBytes({ min: 1, max: 128 }), 1, 20, 'event types');

const webhookUrlAllowed =
  'an http or https URL of up to 2,048 characters, without user name, password or white space';
const webhookUrl = z
  .string({ error: webhookUrlAllowed })
  .refine(isWebhookUrl, { error: webhookUrlAllowed })
  .meta({ format: 'uri', maxLength: URL_CHARACTERS_MAX, description: sentence(webhookUrlAllowed) });

const addressAllowed = 'an email address such as name@example.com';
const emails = listOf(
  z
    .string({ error: addressAllowed })
    .refine(isEmailAddress, { error: addressAllowed })
    .meta({ format: 'email', maxLength: ADDRESS_CHARACTERS_MAX }),
  0,
  20,
  'email addresses',
);

export const refireMode = z.enum(['every', 'once_per_lead', 'cooldown'], {
  error: '"every", "once_per_lead" or "cooldown"',
});

/** In and out: `{ mode, cooldown_seconds }`, the seconds with the mode "cooldown" and only there. */
const refire = exactObject({
  mode: refireMode,
  cooldown_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description:
      'With the mode "cooldown", and only there: no other fire of a lead within it, in event time.',
  }),
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
  event_types: eventTypes.meta({
    description: 'The steps, each of 1 to 128 bytes. A type may stand more than once.',
  }),
  window_seconds: integer(1, YEAR_SECONDS).meta({
    description: 'From the first to the last event at most, inclusive.',
  }),
};

const optional = {
  window_unit: textOfCharacters({ min: 1, max: 50 }).nullish(),
  ordered: flag.nullish().meta({
    description: 'Whether the events have to come in the order of the steps; otherwise false.',
  }),
  webhook_url: webhookUrl.nullish(),
  emails: emails.nullish().meta({ description: 'The recipients; each gets an email of its own.' }),
  email_subject: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_preheader: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_message: textOfCharacters({ min: 0, max: 10_000 }).nullish(),
  active: flag.nullish().meta({ description: 'Whether it fires; otherwise true.' }),
  refire: refire.nullish().meta({
    description: 'Whether a lead that completed it before fires again; otherwise "every" time.',
  }),
  max_fire_delay_seconds: integer(1, YEAR_SECONDS).nullish().meta({
    description: 'Completions that are older on arrival are recorded and not sent.',
  }),
};

/** The body of `POST /sequences`. */
export const newSequence = exactObject({ ...required, ...optional });
export type NewSequence = z.infer<typeof newSequence>;

/** The body of `PUT` and `PATCH /sequences/{id}`: any of the fields; null clears an optional one. */
export const sequencePatch = exactObject({ ...z.object(required).partial().shape, ...optional });
export type SequencePatch = z.infer<typeof sequencePatch>;

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
