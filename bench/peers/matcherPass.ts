import { Matcher } from '../../src/matcher/matcher.ts';
import type { LeadId } from '../../src/model/event.ts';
import type { SequenceId } from '../../src/model/sequence.ts';
import { applyInGroups } from '../matcher/applyInGroups.ts';
import { LIMITS } from '../matcher/engine.ts';
import { type Cost, startCost } from './cost.ts';
import { completedLeads, type Run, type Workload } from './run.ts';

/** The incremental pass: every event is applied once, and what it completes is known before the next one. */
export async function runMatcher({ sequences, blocks }: Workload): Promise<Run> {
  const matcher = new Matcher(LIMITS);
  for (const definition of sequences) matcher.setSequence(definition);
  const pairs: [SequenceId, LeadId][] = [];
  const totalCost = startCost();
  let evaluation: Cost | undefined;
  for (const events of blocks()) {
    const cost = startCost(evaluation);
    applyInGroups(matcher, events, (outcome, { leadId }) => {
      for (const { sequenceId } of outcome.completions ?? []) pairs.push([sequenceId, leadId]);
    });
    evaluation = cost();
  }
  if (evaluation === undefined) throw new Error('the workload has no events');
  return {
    version: 'this one',
    loadSeconds: totalCost().seconds - evaluation.seconds,
    evaluation,
    completed: completedLeads(pairs),
  };
}
