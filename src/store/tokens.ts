import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { OuId } from '../model/event.ts';
import type { Token } from '../model/token.ts';
import { type Environment, packRow, unpackRow } from './environment.ts';

const ROW_VERSION = 1;
const TOKEN_BYTES = 32;
const ID_BYTES = 8;

/** A token as it may be shown: without its hash. */
export type TokenInfo = Omit<Token, 'hash'>;

/** A token that is given in the configuration. It lives as long as the process and is not listed. */
export interface ConfiguredToken {
  readonly ou: OuId;
  readonly token: string;
}

/**
 * API tokens, of which only SHA-256 hashes are kept. Every look-up reads LMDB, so that a token which another
 * process creates or revokes counts from the next request on.
 */
export interface TokenStore {
  /** Resolves when the token is on disk. `token` is the text for its owner, which is not to be had again. */
  create(ou: OuId, name: string): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /** Oldest first; of one OU or of all. */
  list(ou?: OuId): readonly TokenInfo[];
  /** Resolves, when it is on disk, to whether there was such a token. */
  revoke(id: string): Promise<boolean>;
  lookup(token: string): { readonly ou: OuId } | undefined;
}

/** Opens the table `tokens`, keyed by [hash], beside the tokens of the configuration. */
export function openTokenStore(
  environment: Environment,
  configured: readonly ConfiguredToken[] = [],
  nowMs: () => number = Date.now,
): TokenStore {
  const table = environment.table('tokens');
  const fixed = configured.map(({ ou, token }) => ({ ou, hash: sha256(token) }));

  const stored = (): readonly Token[] =>
    Array.from(table.getRange({}), ({ value }) => unpackRow<Token>(value, [ROW_VERSION]));

  const storedOwner = (hash: Buffer): { ou: OuId } | undefined => {
    const row = table.get([hash.toString('hex')]);
    if (row === undefined) return undefined;
    const token = unpackRow<Token>(row, [ROW_VERSION]);
    return timingSafeEqual(Buffer.from(token.hash, 'hex'), hash) ? { ou: token.ou } : undefined;
  };

  return {
    create: async (ou, name) => {
      const token = `st_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
      const info = { id: `tok-${randomBytes(ID_BYTES).toString('hex')}`, ou, name, createdAtMs: nowMs() };
      const hash = sha256(token).toString('hex');
      const row = packRow(ROW_VERSION, { ...info, hash } satisfies Token);
      await environment.write(() => void table.put([hash], row));
      await environment.flushed();
      return { token, info };
    },
    list: (ou) =>
      stored()
        .filter((token) => ou === undefined || token.ou === ou)
        .sort((one, other) => one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1))
        .map(({ hash: _hash, ...info }) => info),
    revoke: async (id) => {
      const token = stored().find((each) => each.id === id);
      if (token === undefined) return false;
      const removed = await environment.write(() => {
        const isThere = table.doesExist([token.hash]);
        void table.remove([token.hash]);
        return isThere;
      });
      await environment.flushed();
      return removed;
    },
    lookup: (token) => {
      const hash = sha256(token);
      // Every configured token is compared, so that the time tells nothing of which one came close.
      const matching = fixed.filter((each) => timingSafeEqual(each.hash, hash))[0];
      return matching === undefined ? storedOwner(hash) : { ou: matching.ou };
    },
  };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
