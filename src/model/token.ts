import type { OuId } from './event.ts';

/** An API token as it is stored: never the token itself, only its hash. */
export interface Token {
  /** `tok-…`, for listing and revoking. */
  readonly id: string;
  readonly ou: OuId;
  readonly name: string;
  /** SHA-256 of the token, hexadecimal. */
  readonly hash: string;
  readonly createdAtMs: number;
}
