import { z } from 'zod';
import { listOf, sentence, textOfCharacters } from './validation.ts';

/** What sequences and milestone triggers have in common in the bodies of requests. */

export const YEAR_SECONDS = 31_536_000;
const URL_CHARACTERS_MAX = 2_048;
const ADDRESS_CHARACTERS_MAX = 254;
const LOCAL_PART_CHARACTERS_MAX = 64;

/** What answers show and the server alone sets. */
export const SET_BY_SERVER = ['id', 'version', 'created_at', 'updated_at', 'webhook_secret'] as const;

export const flag = z.boolean({ error: 'true or false' });

export const triggerName = textOfCharacters({ min: 1, max: 200, notBlank: true });

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

/** Where the fires go, and whether there are any. */
export const deliveryFields = {
  webhook_url: webhookUrl.nullish(),
  emails: emails.nullish().meta({ description: 'The recipients; each gets an email of its own.' }),
  email_subject: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_preheader: textOfCharacters({ min: 0, max: 200, characters: 'line' }).nullish(),
  email_message: textOfCharacters({ min: 0, max: 10_000 }).nullish(),
  active: flag.nullish().meta({ description: 'Whether it fires; otherwise true.' }),
};
const deliveries = z.object(deliveryFields);
export type DeliveryFields = z.infer<typeof deliveries>;

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
