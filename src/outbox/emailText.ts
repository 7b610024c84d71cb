import type { Fire } from '../model/fire.ts';
import { formatMicros } from '../model/time.ts';

const LONE_SURROGATES = /\p{Cs}/gu;
/** Embeddings, overrides and isolates: they could turn round the text that follows, and no script needs them. */
const DIRECTION_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/g;
const LINE_BREAKS = /\r\n|[\n\v\f\r\u0085\u2028\u2029]/g;
const CONTROLS = /[\p{Cc}\u2028\u2029]+/gu;
const CONTROLS_WITHIN_LINES = /(?![\n\t])\p{Cc}/gu;
const REPLACEMENT = '\ufffd';

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** A text that cannot leave its line, so that it neither writes a header nor a line of the body. */
export function oneLine(text: string): string {
  return text
    .replace(LONE_SURROGATES, REPLACEMENT)
    .replace(DIRECTION_CONTROLS, '')
    .replace(CONTROLS, ' ')
    .trim();
}

/** A text of several lines, which end in `\n`, without other controls than tabs. */
export function manyLines(text: string): string {
  return text
    .replace(LONE_SURROGATES, REPLACEMENT)
    .replace(LINE_BREAKS, '\n')
    .replace(CONTROLS_WITHIN_LINES, '');
}

/** The beginning, at most `charsMax` UTF-16 units of it, with an ellipsis where it was cut; no character is halved. */
export function shortened(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text;
  let kept = '';
  for (const { segment } of graphemes.segment(text)) {
    if (kept.length + segment.length >= charsMax) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** What an email says of a fire above its events: a label and a value each. */
export function detailsOf(fire: Fire): readonly (readonly [label: string, value: string])[] {
  const lead = ['Lead', fire.leadId] as const;
  if (fire.milestone === undefined) return [lead, ['Sequence', fire.sequenceName]];
  const { score, scoreThreshold } = fire.milestone;
  return [lead, ['Trigger', fire.sequenceName], ['Score', `${score} (the threshold is ${scoreThreshold})`]];
}

/** What stands above the events of a fire: a crossing has one. */
export function eventsLabel(fire: Fire): string {
  return fire.milestone === undefined ? 'Events' : 'Event';
}

/** An instant to the second, for people: `2024-05-01 10:00:00 UTC`. */
export function readableTime(micros: number): string {
  return `${formatMicros(micros).slice(0, 'YYYY-MM-DDTHH:MM:SS'.length).replace('T', ' ')} UTC`;
}
