/**
 * What a spreadsheet may take for the beginning of a formula, also where it passes over white space and invisible
 * characters, and in the wide forms of East Asian text; and the apostrophe itself, so that taking away a leading
 * one undoes the guard of every cell.
 */
const NEEDS_GUARD = /^(?:[\s\p{Cc}\p{Cf}]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n'])/u;
const NEEDS_QUOTES = /[",\r\n]/;

/** A row of RFC 4180, with its line end. */
export function csvRow(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`;
}

function csvCell(text: string): string {
  const guarded = NEEDS_GUARD.test(text) ? `'${text}` : text;
  return NEEDS_QUOTES.test(guarded) ? `"${guarded.replaceAll('"', '""')}"` : guarded;
}

/**
 * A list in one cell. A `>` within an entry has a backslash before it, and the one between two entries a space, so
 * that the entries can be told apart again.
 */
export function csvList(entries: readonly string[]): string {
  return entries.map((entry) => entry.replaceAll(/[\\>]/g, '\\$&')).join(' > ');
}
