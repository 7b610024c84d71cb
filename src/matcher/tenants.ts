import type { OuId } from '../model/event.ts';
import { Program } from './program.ts';

export interface Tenant {
  /** Stands for the OU in the keys of leads. */
  readonly number: number;
  readonly program: Program;
  leadCount: number;
  /**
   * Leads last heard of before this went silent under a largest window that has been changed since. One
   * number is enough for all past windows: a lead was silent at the end of one of them or never (R15).
   */
  silentBeforeMicros: number;
}

/** The OUs that are known, each under a number. */
export class Tenants {
  private readonly byOu = new Map<OuId, Tenant>();
  private readonly byNumber: (Tenant | undefined)[] = [];
  private readonly vacantNumbers: number[] = [];

  get(ou: OuId): Tenant | undefined {
    return this.byOu.get(ou);
  }

  /** The tenant of an OU, made where there is none yet. */
  of(ou: OuId): Tenant {
    let tenant = this.byOu.get(ou);
    if (tenant === undefined) {
      tenant = {
        number: this.vacantNumbers.pop() ?? this.byNumber.length,
        program: new Program(ou),
        leadCount: 0,
        silentBeforeMicros: Number.NEGATIVE_INFINITY,
      };
      this.byOu.set(ou, tenant);
      this.byNumber[tenant.number] = tenant;
    }
    return tenant;
  }

  /** The tenant that a lead's record names. */
  numbered(number: number): Tenant {
    return this.byNumber[number]!;
  }

  all(): Iterable<Tenant> {
    return this.byOu.values();
  }

  /** Anybody who may publish can name OUs; one that nobody uses must not stay. */
  removeUnused(): void {
    for (const { number, program, leadCount } of this.byOu.values()) {
      if (leadCount > 0 || !program.isEmpty) continue;
      this.byOu.delete(program.ou);
      this.byNumber[number] = undefined;
      this.vacantNumbers.push(number);
    }
  }
}
