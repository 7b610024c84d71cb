import type { Bounds, ClassLookup } from './classLookup.ts';
import type { LeadLog } from './leadLog.ts';

/**
 * Looks for runs whose neighbouring steps lie at most so far apart. Going back from the end of a run, each step
 * takes the latest event from which a run still leads back to the first step.
 *
 * That is the run with the latest start. For let p < p' be two events that each end a run of the first k steps,
 * and let these runs come by q and q', by their k−1st steps. If q lies behind q', it lies between q' and p', so
 * p' is as near to q as the gap demands, and every run that leads to q can go on to p'. If not, no run to q has a
 * later start than the best to q', by induction. Either way p' has a start at least as late as p.
 *
 * So what counts and what does not, which is decided by the start, changes no choice: where the latest start does not
 * count, none does. And of two runs of the same steps the later one is as good for whatever follows.
 *
 * The candidates of a step are tried from the latest to the earliest, whoever asks for them, and none of those that
 * failed is tried again: a search looks at each event once for each step at most.
 */
export class GapSearch {
  private readonly log: LeadLog;
  private readonly classes: ClassLookup;
  private readonly steps: readonly number[];
  private readonly maxGapMicros: number;
  private readonly bounds: Bounds;
  /** By step: no event at this position or behind it is worth another look. */
  private readonly failedFrom: number[];

  constructor(
    log: LeadLog,
    classes: ClassLookup,
    steps: readonly number[],
    maxGapMicros: number,
    bounds: Bounds,
  ) {
    this.log = log;
    this.classes = classes;
    this.steps = steps;
    this.maxGapMicros = maxGapMicros;
    this.bounds = bounds;
    this.failedFrom = steps.map(() => Number.POSITIVE_INFINITY);
  }

  /** The run of all steps that ends at a position, which is of the last one; null: there is none. */
  runEndingAt(end: number): number[] | null {
    const last = this.steps.length - 1;
    if (last === 0) return [end];
    const run = this.runBefore(last - 1, end, this.log.timeAt(end) - this.maxGapMicros);
    run?.push(end);
    return run;
  }

  /** The latest run of the first steps, so many, in the whole log; to be asked for fewer steps first. */
  latestRun(stepCount: number): number[] | null {
    return this.runBefore(stepCount - 1, this.log.length, Number.NEGATIVE_INFINITY);
  }

  /** The run of the steps up to one that ends before a position, as late as can be, and not before a time. */
  private runBefore(step: number, position: number, oldestMicros: number): number[] | null {
    const { log, classes, steps, failedFrom } = this;
    for (;;) {
      const at = classes.latestBefore(log, steps[step]!, Math.min(position, failedFrom[step]!));
      if (at < 0 || log.timeAt(at) < oldestMicros || !this.bounds.counts(at)) return null;
      const run = step === 0 ? [] : this.runBefore(step - 1, at, log.timeAt(at) - this.maxGapMicros);
      if (run !== null) {
        run.push(at);
        return run;
      }
      failedFrom[step] = at;
    }
  }
}
