import { readFileSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { programVersion } from '../config/version.ts';
import { EmailSender } from '../outbox/emailSender.ts';
import type { Sender } from '../outbox/sender.ts';
import { ThreadedSender } from '../outbox/threadedSender.ts';

/** Mail servers that scan contents take minutes to answer; giving up on them earlier sends copies. */
const EMAIL_TIMEOUT_MS = 5 * 60_000;

export interface Senders {
  readonly webhookSender: Sender;
  /** null: no SMTP server is configured. */
  readonly emailSender: Sender | null;
}

/**
 * What brings deliveries to their destinations, as configured.
 *
 * @throws Error in one line that names the key whose value cannot be used
 */
export function createSenders(config: Config): Senders {
  const { smtpUrl, emailFrom, webhookCaFile, webhookProxyUrl } = config;
  return {
    webhookSender: new ThreadedSender({
      version: programVersion(),
      timeoutMs: config.webhookTimeoutMs,
      allowedCidrs: config.webhookAllowCidrs,
      connectionsMax: config.webhookConcurrency,
      proxyUrl: webhookProxyUrl,
      caPem: webhookCaFile === null ? null : readCertificates(webhookCaFile),
    }),
    emailSender:
      smtpUrl === null || emailFrom === null
        ? null
        : new EmailSender({ smtpUrl, from: emailFrom, timeoutMs: EMAIL_TIMEOUT_MS }),
  };
}

function readCertificates(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    throw new Error(`WEBHOOK_CA_FILE is "${path}", which cannot be read: ${problem}`, { cause: error });
  }
}
