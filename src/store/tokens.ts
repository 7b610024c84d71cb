import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { OuId } from '../model/event.ts';
import type { NewToken, Token, TokenInfo, TokenOwner } from '../model/token.ts';
import { type Environment, packRow, unpackRow } from './environment.ts';

/** The first had neither role nor end nor rate; a program that knows only those must not take a token for more. */
const FIRST_ROW_VERSION = 1;
const ROW_VERSION = 2;
const USE_VERSION = 1;
const TOKEN_BYTES = 32;
const ID_BYTES = 8;
/** A use is noted when the last note of the token is older than this. */
const USE_NOTED_MS = 60_000;

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
  /**
   * Resolves when the token is on disk. `token` is the text for its owner, which is not to be had again. A token of
   * this OU that has the id already gives way to the new one.
   */
  create(
    ou: OuId,
    wanted: NewToken,
    id?: string,
  ): Promise<{ readonly token: string; readonly info: TokenInfo }>;
  /** Oldest first; of one OU or of all. */
  list(ou?: OuId): readonly TokenInfo[];
  /** Resolves, when it is on disk, to whether there was such a token, in that OU or in any. */
  revoke(id: string, ou?: OuId): Promise<boolean>;
  /** Whose token it is, also when it has expired. Notes the use of one that has not. */
  lookup(token: string): TokenOwner | undefined;
}

/** Opens the tables `tokens` and `token_uses`, both keyed by [hash], beside the tokens of the configuration. */
export function openTokenStore(
  environment: Environment,
  configured: readonly ConfiguredToken[] = [],
  nowMs: () => number = Date.now,
): TokenStore {
  const table = environment.table('tokens');
  const uses = environment.table('token_uses');
  const notedMs = new Map<string, number>();
  const fixed = configured.map(({ ou, token }, index) => ({
    owner: {
      id: `configured-${index + 1}`,
      ou,
      role: 'admin',
      expiresAtMs: null,
      ratePerSecond: null,
    } as const,
    hash: sha256(token),
  }));

  const stored = (): readonly Token[] => Array.from(table.getRange({}), ({ value }) => readToken(value));

  const storedOwner = (hash: Buffer): Token | undefined => {
    const row = table.get([hash.toString('hex')]);
    if (row === undefined) return undefined;
    const token = readToken(row);
    return timingSafeEqual(Buffer.from(token.hash, 'hex'), hash) ? token : undefined;
  };

  const lastUsedAtMs = ({ hash }: Token): number | null => {
    const row = uses.get([hash]);
    return row === undefined ? null : unpackRow<number>(row, [USE_VERSION]);
  };

  /** Nobody waits for it: what is lost of it costs a minute of accuracy. */
  const noteUse = async ({ hash }: Token): Promise<void> => {
    const now = nowMs();
    if (now - (notedMs.get(hash) ?? Number.NEGATIVE_INFINITY) < USE_NOTED_MS) return;
    if (environment.trouble() !== null) return;
    notedMs.set(hash, now);
    try {
      await environment.write(() => {
        // It may have been revoked meanwhile, and a note of it would stay for ever.
        if (table.doesExist([hash])) void uses.put([hash], packRow(USE_VERSION, now));
      });
    } catch {
      notedMs.delete(hash);
    }
  };

  return {
    create: async (ou, wanted, id = `tok-${randomBytes(ID_BYTES).toString('hex')}`) => {
      const token = `st_${randomBytes(TOKEN_BYTES).toString('base64url')}`;
      const { name, role, expiresAtMs, ratePerSecond } = wanted;
      const shown = { id, ou, name, createdAtMs: nowMs(), role, expiresAtMs, ratePerSecond };
      const hash = sha256(token).toString('hex');
      const row = packRow(ROW_VERSION, { ...shown, hash } satisfies Token);
      const before = stored().filter((each) => each.id === id && each.ou === ou);
      await environment.write(() => {
        for (const each of before) void table.remove([each.hash]);
        void table.put([hash], row);
      });
      await environment.flushed();
      return { token, info: { ...shown, lastUsedAtMs: null } };
    },
    list: (ou) =>
      stored()
        .filter((token) => ou === undefined || token.ou === ou)
        .sort((one, other) => one.createdAtMs - other.createdAtMs || (one.id < other.id ? -1 : 1))
        .map((token) => {
          const { hash: _hash, ...info } = token;
          return { ...info, lastUsedAtMs: lastUsedAtMs(token) };
        }),
    revoke: async (id, ou) => {
      const token = stored().find((each) => each.id === id && (ou === undefined || each.ou === ou));
      if (token === undefined) return false;
      const removed = await environment.write(() => {
        const isThere = table.doesExist([token.hash]);
        void table.remove([token.hash]);
        void uses.remove([token.hash]);
        return isThere;
      });
      await environment.flushed();
      notedMs.delete(token.hash);
      return removed;
    },
    lookup: (token) => {
      const hash = sha256(token);
      // Every configured token is compared, so that the time tells nothing of which one came close.
      const matching = fixed.filter((each) => timingSafeEqual(each.hash, hash))[0];
      if (matching !== undefined) return matching.owner;
      const found = storedOwner(hash);
      if (found === undefined) return undefined;
      const { id, ou, role, expiresAtMs, ratePerSecond } = found;
      if (expiresAtMs === null || nowMs() < expiresAtMs) void noteUse(found);
      return { id, ou, role, expiresAtMs, ratePerSecond };
    },
  };
}

/** A token of before there were roles may do what it could then. */
function readToken(row: Uint8Array): Token {
  const token = unpackRow<Token>(row, [FIRST_ROW_VERSION, ROW_VERSION]);
  if (row[0] === ROW_VERSION) return token;
  return { ...token, role: 'write', expiresAtMs: null, ratePerSecond: null };
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
