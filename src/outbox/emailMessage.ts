import { createHash } from 'node:crypto';
import { encodeWord, isPlainText, quoteString } from 'nodemailer/lib/mime-funcs';
import type { Fire } from '../model/fire.ts';
import type { Trigger } from '../model/trigger.ts';
import { htmlBody } from './emailHtml.ts';
import { detailsOf, eventsLabel, manyLines, oneLine, readableTime, shortened } from './emailText.ts';

const SUBJECT_CHARS_MAX = 200;
/** In the default subject, so that a long lead id leaves room for the sequence. */
const NAME_IN_SUBJECT_CHARS_MAX = 80;
const NAME_IN_LIST_ID_CHARS_MAX = 100;
const ENCODED_WORD_CHARS_MAX = 52;
const SAMPLE_NOTICE = 'This is a sample, sent to try the delivery. No lead has completed anything.';

/** The value of a header that is encoded already. */
interface PreparedHeader {
  readonly prepared: true;
  readonly foldLines: true;
  readonly value: string;
}

/** What one recipient is sent, in the shape that nodemailer takes. */
export interface EmailMessage {
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
  readonly headers: Record<string, string | PreparedHeader>;
}

/**
 * Writes the email about a fire: the customer's own message first, then the lead's details. Everything that
 * came from outside is escaped in the HTML and cannot leave its line in the text and the headers.
 *
 * @param domain of the sender, in ASCII, for the Message-ID and the List-Id
 */
export function emailMessage(fire: Fire, trigger: Trigger, recipient: string, domain: string): EmailMessage {
  const subject = subjectOf(fire, trigger);
  const notice = fire.isSample ? SAMPLE_NOTICE : null;
  // What is empty is as good as not given.
  const message = manyLines(trigger.emailMessage ?? '').trim() || null;
  const preheader = oneLine(trigger.emailPreheader ?? '') || null;
  return {
    messageId: messageId(fire, recipient, domain),
    subject,
    text: textBody(fire, message, notice),
    html: htmlBody({ fire, subject, preheader, message, notice }),
    headers: {
      'List-Id': listId(fire, domain),
      // RFC 3834; the second is what Exchange heeds. Reports of failed delivery are still welcome.
      'Auto-Submitted': 'auto-generated',
      'X-Auto-Response-Suppress': 'OOF, AutoReply',
      ...(fire.isSample ? { 'X-Sequence-Triggers-Sample': 'true' } : {}),
    },
  };
}

function subjectOf(fire: Fire, trigger: Trigger): string {
  const name = (text: string) => shortened(oneLine(text), NAME_IN_SUBJECT_CHARS_MAX);
  const verb = fire.milestone === undefined ? 'completed' : 'reached';
  const subject =
    oneLine(trigger.emailSubject ?? '') || `Lead ${name(fire.leadId)} ${verb} ${name(fire.sequenceName)}`;
  return shortened(fire.isSample ? `[Test] ${subject}` : subject, SUBJECT_CHARS_MAX);
}

/** The same on every attempt, so that a mail program can recognize a repetition. */
function messageId(fire: Fire, recipient: string, domain: string): string {
  return `<${fire.id}.${digest(recipient)}@${domain}>`;
}

/** RFC 2919: the same for all emails of a sequence, whatever its name is at the time, so that filters can go by it. */
function listId(fire: Fire, domain: string): PreparedHeader {
  const name = shortened(oneLine(fire.sequenceName), NAME_IN_LIST_ID_CHARS_MAX);
  // Written here: nodemailer's own option for the header lets encoded words grow beyond what RFC 2047 allows.
  const phrase = isPlainText(name) ? quoteString(name) : encodeWord(name, 'Q', ENCODED_WORD_CHARS_MAX);
  const id = `${listLabel(fire.sequenceId)}.${listLabel(fire.ou)}.${domain}`;
  return { prepared: true, foldLines: true, value: `${phrase} <${id}>` };
}

/** The text where it is a label of a domain, its digest otherwise: also for capitals, which would not count there. */
function listLabel(text: string): string {
  return /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(text) ? text : `x-${digest(text)}`;
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function textBody(fire: Fire, message: string | null, notice: string | null): string {
  const details = [
    ...detailsOf(fire).map(([label, value]) => `${label}: ${oneLine(value)}`),
    `${eventsLabel(fire)}:`,
    ...fire.events.flatMap((event, index) => [
      `${index + 1}. ${oneLine(event.type)}`,
      `   ${readableTime(event.timeMicros)}, id ${oneLine(event.id)}`,
    ]),
  ].join('\n');
  return `${[notice, message, details].filter((part) => part !== null).join('\n\n')}\n`;
}
