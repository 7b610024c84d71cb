import type { OuId } from '../model/event.ts';

const OU_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** What an OU may look like, for messages to people. */
export const OU_ALLOWED = '1 to 64 letters, digits, hyphens or underscores';

/** Whether a text can stand as the OU token of a subject. */
export function isOu(text: string): boolean {
  return OU_PATTERN.test(text);
}

/** Messages that follow each other mostly have one subject, and events of one OU share its text then. */
let last: { readonly subject: string; readonly ou: OuId | undefined } = { subject: '', ou: undefined };

/** The OU of an event's subject, which is its second token; undefined where there is none or it is not an OU. */
export function ouOfSubject(subject: string): OuId | undefined {
  if (subject !== last.subject) last = { subject, ou: readOu(subject) };
  return last.ou;
}

function readOu(subject: string): OuId | undefined {
  const start = subject.indexOf('.') + 1;
  if (start === 0) return undefined;
  const end = subject.indexOf('.', start);
  const token = end === -1 ? subject.slice(start) : subject.slice(start, end);
  return isOu(token) ? token : undefined;
}

/** The subject that events of an OU are published on, given the configured one: `events.>` gives `events.<ou>`. */
export function subjectOfOu(eventsSubject: string, ou: OuId): string {
  return `${eventsSubject.slice(0, eventsSubject.indexOf('.'))}.${ou}`;
}

/** Whether every subject that `inner` stands for also matches `outer`; both may hold the wildcards `*` and `>`. */
export function coversSubject(outer: string, inner: string): boolean {
  const outerTokens = outer.split('.');
  const innerTokens = inner.split('.');
  for (const [index, token] of outerTokens.entries()) {
    const other = innerTokens[index];
    if (other === undefined) return false;
    if (token === '>') return true;
    if (other === '>') return false;
    if (token !== '*' && token !== other) return false;
  }
  return outerTokens.length === innerTokens.length;
}
