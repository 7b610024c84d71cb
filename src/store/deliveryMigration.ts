import type { DeliveryRows } from './deliveryRows.ts';
import type { Environment } from './environment.ts';

const CHUNK_ROWS = 10_000;
/** The queue and the held rows as they were keyed before each OU had queues of its own. */
const OLD_TABLES = ['delivery_due', 'delivery_held'];

/** Enters what an older program left in its queues into those of today, a part per transaction. */
export function moveOldQueue(environment: Environment, rows: DeliveryRows): void {
  for (const name of OLD_TABLES) {
    const table = environment.table(name);
    for (;;) {
      const keys = [...table.getKeys({ limit: CHUNK_ROWS })];
      if (keys.length === 0) break;
      environment.root.transactionSync(() => {
        for (const key of keys) {
          const delivery = rows.read(String(key.at(-1)));
          if (delivery !== undefined) rows.enter(delivery);
          void table.remove(key);
        }
      });
    }
  }
}
