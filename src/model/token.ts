import type { OuId } from './event.ts';

/**
 * What a token may do within its OU. `read`: see everything. `ingest`: send events and nothing else. `write`: both,
 * and every change. `admin`: that, and the tokens themselves.
 */
export const ROLES = ['read', 'ingest', 'write', 'admin'] as const;
export type Role = (typeof ROLES)[number];

/** The roles that may do what needs a role, the least first. */
const HOLDERS: Readonly<Record<Role, readonly Role[]>> = {
  read: ['read', 'write', 'admin'],
  ingest: ['ingest', 'write', 'admin'],
  write: ['write', 'admin'],
  admin: ['admin'],
};

export function holdersOf(needed: Role): readonly Role[] {
  return HOLDERS[needed];
}

/** Who asks: what an accepted token says of its request. */
export interface TokenOwner {
  /** `tok-…`, or `configured-…` for a token of the configuration. */
  readonly id: string;
  readonly ou: OuId;
  readonly role: Role;
  /** From then on it is refused; null: never. */
  readonly expiresAtMs: number | null;
  /** Requests per second of its own; null: what the configuration says. */
  readonly ratePerSecond: number | null;
}

/** What is to be decided of a new token. */
export interface NewToken {
  readonly name: string;
  readonly role: Role;
  readonly expiresAtMs: number | null;
  readonly ratePerSecond: number | null;
}

/** An API token as it is stored: never the token itself, only its hash. */
export interface Token extends TokenOwner, NewToken {
  /** SHA-256 of the token, hexadecimal. */
  readonly hash: string;
  readonly createdAtMs: number;
}

/** A token as it may be shown: without its hash. */
export interface TokenInfo extends Omit<Token, 'hash'> {
  /** To the minute; null: it was not used yet. */
  readonly lastUsedAtMs: number | null;
}
