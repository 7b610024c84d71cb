import { noAnswer, permanentFailure, type SendFailure } from './sender.ts';
import { transportError } from './transportError.ts';

const RESPONSE_KEPT_CHARS_MAX = 1024;
const DETAIL_CHARS_MAX = 300;
/** The steps of a mail transaction that are about one message: its envelope, and what is in it. */
const CODES_OF_MESSAGES = new Set(['EENVELOPE', 'EMESSAGE']);
/**
 * Replies that speak of the session at whatever step they come: the server closes down, lost track of the
 * order, or wants (another) login or encryption first.
 */
const REPLIES_ON_SESSIONS = new Set([421, 503, 530, 534, 535, 538]);
/** RFC 3463: the message is too big for the system, which servers may say as early as at the sender's name. */
const TOO_BIG = /^552[ -]|^\d{3}[ -]5\.3\.4\b/;

/** Takes secrets out of what a server said, which may repeat a command that it did not understand. */
export type Redact = (text: string) => string;

/**
 * What an error of nodemailer means. A 5xx reply to the recipient or the message is final. A sender that is
 * refused, a login that fails and a connection that breaks concern all emails alike and are tried again: the
 * message can do nothing for it, and the cause is for the operator to remove.
 */
export function smtpFailure(error: unknown, redact: Redact): SendFailure {
  const code = field(error, 'code');
  const response = field(error, 'response');
  const status = field(error, 'responseCode');
  const isOfMessage = typeof code === 'string' && CODES_OF_MESSAGES.has(code);
  if (typeof status !== 'number' || typeof response !== 'string') {
    const { kind, detail } = transportError(error);
    // Without a reply, it was nodemailer that found nothing to send or nobody to send it to.
    return isOfMessage ? permanentFailure(kind, redact(detail)) : noAnswer(kind, redact(detail));
  }
  const command = commandOf(error);
  const isOfSender = command === 'MAIL FROM' && !TOO_BIG.test(response);
  const concernsMessage = isOfMessage && !isOfSender && !REPLIES_ON_SESSIONS.has(status);
  const permanent = concernsMessage && status >= 500;
  const said = redact(response);
  const introduction = permanent
    ? 'refused by the SMTP server'
    : `answer of the SMTP server${command === null ? '' : ` to ${command}`}`;
  return {
    outcome: 'failed',
    status,
    error: null,
    response: keptResponse(said),
    detail: `${introduction}: ${inOneLine(said)}`,
    retryAfterMs: null,
    permanent,
    concerns: concernsMessage ? 'message' : 'destination',
    pauseReason: null,
  };
}

/** What the server was asked; null where it spoke first. */
function commandOf(error: unknown): string | null {
  const command = field(error, 'command');
  return typeof command === 'string' && command !== 'CONN' && command !== 'API' ? command : null;
}

/** What is kept of a reply, which may have many lines. */
export function keptResponse(response: string): string {
  return response.slice(0, RESPONSE_KEPT_CHARS_MAX);
}

/**
 * Hides a password of an SMTP URL, as it is and as it goes over the line. A URL without one hides nothing.
 *
 * @param smtpUrl as configured; user and password are percent-encoded in it
 */
export function redactorOf(smtpUrl: string): Redact {
  const { username, password } = new URL(smtpUrl);
  if (password === '') return (text) => text;
  const [user, secret] = [decoded(username), decoded(password)];
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const forms = [base64(`\0${user}\0${secret}`), base64(secret), secret, password];
  return (text) => forms.reduce((redacted, form) => redacted.replaceAll(form, '[hidden]'), text);
}

/** As nodemailer reads it: what is not properly encoded stands for itself. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function inOneLine(text: string): string {
  return text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .trim()
    .slice(0, DETAIL_CHARS_MAX);
}

function field(error: unknown, name: string): unknown {
  return error instanceof Error ? (error as Error & Record<string, unknown>)[name] : undefined;
}
