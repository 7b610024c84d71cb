import { serve } from '../operations.ts';
import { begin, fill } from './backlog.ts';
import { offer } from './isolation.ts';
import { profileOutbox } from './profile.ts';
import { runBare, runOutbox, runSender } from './throughput.ts';

/** The process in which an outbox, or what it is compared with, is measured. */
const OPERATIONS = {
  runBare,
  runSender,
  // The channel brings one argument only.
  runOutbox: (load: Parameters<typeof runOutbox>[0]) => runOutbox(load),
  profileOutbox,
  offer,
  fill,
  begin,
};
export type SubjectOperations = typeof OPERATIONS;

serve(OPERATIONS);
