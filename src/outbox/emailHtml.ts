import type { MatchedEvent } from '../model/event.ts';
import type { Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';
import { detailsOf, eventsLabel, oneLine, readableTime } from './emailText.ts';

export interface EmailContent {
  readonly fire: Fire;
  readonly subject: string;
  /** What a list of emails shows beside the subject, one line; null: the start of the text. */
  readonly preheader: string | null;
  /** The customer's own words, in lines that end in `\n`; null: none. */
  readonly message: string | null;
  /** Stands above everything else; null: nothing does. */
  readonly notice: string | null;
}

/**
 * Mail programs know inline styles at best. Where no colour is named, each uses its own, in the dark as well;
 * long ids may break anywhere, so that a phone need not scroll sideways.
 */
const COLUMN =
  'max-width:600px;margin:0 auto;padding:24px 16px;font-family:-apple-system,Segoe UI,Roboto,Helvetica,Arial,sans-serif;' +
  'font-size:16px;line-height:1.5;text-align:start;overflow-wrap:anywhere;word-break:break-word';
const NOTICE = 'margin:0 0 24px;padding:8px 12px;border:2px solid #b45309;border-radius:6px;font-weight:bold';
const BELOW_MESSAGE = 'border-top:1px solid rgba(128,128,128,.6);padding-top:20px';
const LABEL = 'font-size:14px;opacity:.7';
const VALUE = 'margin:0 0 16px;font-size:18px;line-height:1.4;font-weight:bold';
const TABLE = 'width:100%;table-layout:fixed;border-collapse:collapse';
const NUMBER =
  'width:28px;padding:12px 0;vertical-align:top;border-top:1px solid rgba(128,128,128,.35);opacity:.7';
const EVENT = 'padding:12px 0;vertical-align:top;border-top:1px solid rgba(128,128,128,.35)';
const HIDDEN =
  'display:none;max-height:0;max-width:0;overflow:hidden;opacity:0;font-size:1px;line-height:1px;mso-hide:all';

/** Enough of what has no width to fill the line beside the subject, so that the text that follows stays out of it. */
const PADDING = '&zwnj;&nbsp;'.repeat(150);

/** The HTML of an email: one column of text, complete in itself, everything from outside escaped. */
export function htmlBody({ fire, subject, preheader, message, notice }: EmailContent): string {
  return [
    '<!doctype html>',
    '<html lang="en" dir="ltr">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
    // Phones would turn ids into telephone numbers and times into appointments.
    '<meta name="format-detection" content="telephone=no, date=no, address=no, email=no, url=no">',
    `<title>${escapeHtml(subject)}</title>`,
    '</head>',
    '<body style="margin:0;padding:0">',
    ...(preheader === null ? [] : [`<div style="${HIDDEN}">${escapeHtml(preheader)}${PADDING}</div>`]),
    `<div style="${COLUMN}">`,
    ...(notice === null ? [] : [`<p style="${NOTICE}">${escapeHtml(notice)}</p>`]),
    ...(message === null ? [] : [messageHtml(message)]),
    message === null ? '<div>' : `<div style="${BELOW_MESSAGE}">`,
    ...detailsOf(fire).map(([label, value]) => detail(label, value)),
    `<div style="${LABEL};margin-bottom:4px">${eventsLabel(fire)}</div>`,
    `<table role="presentation" cellpadding="0" cellspacing="0" border="0" style="${TABLE}">`,
    ...fire.events.map(eventRow),
    '</table>',
    '</div>',
    '</div>',
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

/** Blank lines part paragraphs; each runs in the direction of its own script. */
function messageHtml(message: string): string {
  const paragraphs = message
    .split(/\n\s*\n/)
    .map((paragraph) => escapeHtml(paragraph).replaceAll('\n', '<br>\n'));
  // The language is unknown; that of the page would make readers pronounce it wrongly.
  return `<div lang="">\n${paragraphs.map((text) => `<p dir="auto" style="margin:0 0 20px">${text}</p>`).join('\n')}\n</div>`;
}

function detail(label: string, value: string): string {
  return `<div style="${LABEL}">${label}</div>\n<div lang="" style="${VALUE}">${isolated(value)}</div>`;
}

function eventRow(event: MatchedEvent, index: number): string {
  const time = `<time datetime="${formatMicros(event.timeMicros)}">${readableTime(event.timeMicros)}</time>`;
  return [
    `<tr><td style="${NUMBER}">${index + 1}</td>`,
    `<td lang="" style="${EVENT}"><strong>${isolated(event.type)}</strong><br>`,
    `${time}<br><span style="${LABEL}">${isolated(event.id)}</span></td></tr>`,
  ].join('');
}

/** A value on one line; a name that runs from right to left leaves the order around it alone. */
function isolated(value: string): string {
  return `<bdi>${escapeHtml(oneLine(value))}</bdi>`;
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
