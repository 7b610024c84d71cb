import { OperatingProcess } from '../operations.ts';
import type { SubjectOperations } from './subjectProcess.ts';

/** Up to this share of the workload figures say little, and starting a process takes longer than measuring in it. */
const SHARED_SCALE_MAX = 0.05;

export type Subject = OperatingProcess<SubjectOperations>;

/**
 * The processes that are measured: one for each measurement, so that it does not inherit the heap of another; in
 * a small run one for all.
 */
export class Subjects {
  readonly #shared: Subject | null;

  private constructor(isShared: boolean) {
    this.#shared = isShared ? startSubject() : null;
  }

  /** Does work with the processes for a run of this scale, which end after it. */
  static async use<T>(scale: number, work: (subjects: Subjects) => Promise<T>): Promise<T> {
    const subjects = new Subjects(scale <= SHARED_SCALE_MAX);
    try {
      return await work(subjects);
    } finally {
      await subjects.#shared?.end();
    }
  }

  /** A measurement; one at a time. */
  async measure<T>(work: (subject: Subject) => Promise<T>): Promise<T> {
    if (this.#shared !== null) return work(this.#shared);
    const subject = startSubject();
    try {
      return await work(subject);
    } finally {
      await subject.end();
    }
  }
}

function startSubject(): Subject {
  return new OperatingProcess<SubjectOperations>('outbox/subjectProcess');
}
