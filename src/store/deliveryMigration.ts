import type { DeliveryRows } from './deliveryRows.ts';
import type { Environment, Table } from './environment.ts';

const CHUNK_ROWS = 10_000;
/** The queue and the held rows as they were keyed before each OU had queues of its own. */
const OLD_TABLES = ['delivery_due', 'delivery_held'];

type Key = Array<string | number>;

/**
 * Enters what an older program left in its queues into those of today, a part per transaction. What cannot be read
 * stays where it is.
 */
export function moveOldQueue(environment: Environment, rows: DeliveryRows): void {
  for (const name of OLD_TABLES) {
    const table = environment.table(name);
    for (let start: Key = []; ; ) {
      const keys = [...table.getKeys({ start, limit: CHUNK_ROWS })];
      const last = keys.at(-1);
      if (last === undefined) break;
      environment.root.transactionSync(() => {
        for (const key of keys) moveEntry(table, key, rows);
      });
      start = [...last, ''];
    }
  }
}

function moveEntry(table: Table, key: Key, rows: DeliveryRows): void {
  try {
    const delivery = rows.read(String(key.at(-1)));
    if (delivery !== undefined) rows.enter(delivery);
    void table.remove(key);
  } catch {
    // A program that can read the row finds its entry.
  }
}
