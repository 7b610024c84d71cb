import type { TriggerBase } from '../model/triggerBase.ts';
import { iso } from './deliveryView.ts';

/** As every answer shows where the fires of a trigger go; no secret. */
export function deliveriesView(trigger: TriggerBase) {
  return {
    webhook_url: trigger.webhookUrl,
    emails: trigger.emails,
    email_subject: trigger.emailSubject,
    email_preheader: trigger.emailPreheader,
    email_message: trigger.emailMessage,
    active: trigger.active,
  };
}

export function versionView({ version, createdAtMs, updatedAtMs }: TriggerBase) {
  return { version, created_at: iso(createdAtMs), updated_at: iso(updatedAtMs) };
}
