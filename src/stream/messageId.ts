import type { LeadId, OuId } from '../model/event.ts';

/**
 * The `Nats-Msg-Id` of a published event: `<ou>:<lead>:<id>`, each part percent-encoded.
 *
 * The server drops a second message with the same header within the stream's duplicate window, across all
 * subjects. Event ids are unique per lead only (R13), so the bare id would lose the event of another lead
 * that happens to carry the same one. The encoding keeps the parts apart whatever they contain, and keeps
 * line breaks and outer blanks, which a header cannot hold.
 */
export function eventMessageId(ou: OuId, leadId: LeadId, id: string): string {
  return `${encode(ou)}:${encode(leadId)}:${encode(id)}`;
}

/** `encodeURIComponent` throws on a lone surrogate; the event is refused for it elsewhere, with a reason. */
function encode(part: string): string {
  return encodeURIComponent((part as string & { toWellFormed(): string }).toWellFormed());
}
