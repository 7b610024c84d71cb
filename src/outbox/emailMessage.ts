import { createHash } from 'node:crypto';
import type { Fire } from '../model/fire.ts';
import type { Sequence } from '../model/sequence.ts';
import { formatMicros } from '../model/time.ts';

const SUBJECT_CHARS_MAX = 200;

/** What one recipient is sent. */
export interface EmailMessage {
  readonly messageId: string;
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/**
 * Writes the email about a fire: the customer's own message first, then the lead's details. Everything that
 * came from outside is escaped in the HTML and stripped of line breaks in the headers.
 *
 * @param domain of the sender, for the Message-ID
 */
export function emailMessage(
  fire: Fire,
  sequence: Sequence,
  recipient: string,
  domain: string,
): EmailMessage {
  const subject = sequence.emailSubject ?? `Lead ${fire.leadId} completed ${fire.sequenceName}`;
  return {
    messageId: messageId(fire, recipient, domain),
    subject: oneLine(subject).slice(0, SUBJECT_CHARS_MAX),
    text: textBody(fire, sequence.emailMessage),
    html: htmlBody(fire, sequence.emailPreheader, sequence.emailMessage),
  };
}

/** The same on every attempt, so that a mail program can recognize a repetition. */
function messageId(fire: Fire, recipient: string, domain: string): string {
  const digest = createHash('sha256').update(recipient).digest('hex').slice(0, 16);
  return `<${fire.id}.${digest}@${domain}>`;
}

function textBody(fire: Fire, message: string | null): string {
  const details = [
    `Lead: ${fire.leadId}`,
    `Sequence: ${fire.sequenceName}`,
    'Events:',
    ...fire.events.map((event) => `- ${event.type} (${event.id}) at ${formatMicros(event.timeMicros)}`),
  ].join('\n');
  return message === null ? `${details}\n` : `${message}\n\n${details}\n`;
}

function htmlBody(fire: Fire, preheader: string | null, message: string | null): string {
  const events = fire.events.map(
    (event) =>
      `<tr><td>${escapeHtml(event.type)}</td><td>${escapeHtml(event.id)}</td><td>${formatMicros(event.timeMicros)}</td></tr>`,
  );
  return [
    '<!doctype html>',
    '<html lang="en"><head><meta charset="utf-8"></head>',
    '<body style="font-family:sans-serif;color:#222;line-height:1.5">',
    // Mail programs show the first text beside the subject in the list, so the preheader comes first, unseen.
    ...(preheader === null
      ? []
      : [`<div style="display:none;max-height:0;overflow:hidden">${escapeHtml(oneLine(preheader))}</div>`]),
    ...(message === null ? [] : [`<p>${escapeHtml(message).replace(/\r\n|\r|\n/g, '<br>\n')}</p>`]),
    `<p>Lead: <strong>${escapeHtml(fire.leadId)}</strong><br>`,
    `Sequence: <strong>${escapeHtml(fire.sequenceName)}</strong></p>`,
    '<table cellpadding="4" style="border-collapse:collapse;text-align:left">',
    '<tr><th>Event</th><th>Id</th><th>Time (UTC)</th></tr>',
    ...events,
    '</table>',
    '</body></html>',
    '',
  ].join('\n');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}

/** Without line breaks and other control characters, which could end a header or begin another. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, ' ').trim();
}
