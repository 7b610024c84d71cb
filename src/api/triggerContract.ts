import { z } from 'zod';
import { count, instant } from './commonSchema.ts';

/** What sequences and milestone triggers have in common in answers. */

/** Where the fires go, and whether there are any. */
export const deliveriesShown = {
  webhook_url: z.string().nullable(),
  emails: z.array(z.string()),
  email_subject: z.string().nullable(),
  email_preheader: z.string().nullable(),
  email_message: z.string().nullable(),
  active: z.boolean(),
};

export const versionShown = {
  version: count.meta({ description: '1 at creation, one more with every change.' }),
  created_at: instant,
  updated_at: instant,
};

/** Of the answers that hand out a new secret. */
export const secretShown = {
  webhook_secret: z.string().meta({
    description: 'Signs the webhooks (Standard Webhooks 1.0.0). Shown in this answer and never again.',
  }),
};
