/**
 * `npm run test:guards`: takes out, one at a time, the lines that the invariants rest on, and sees whether the
 * tests that are said to hold them fail. Ends with 1 when one does not.
 *
 *   npm run test:guards [-- INVARIANT ...]
 */
import { fileURLToPath } from 'node:url';
import { GUARDS } from './guards.ts';
import { Workspace } from './workspace.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const invariants = process.argv.slice(2).map(Number);
const chosen = GUARDS.filter(({ invariant }) => invariants.length === 0 || invariants.includes(invariant));

const workspace = new Workspace(root);
let open = 0;
try {
  for (const guard of chosen) {
    const { whole, without } = workspace.try(guard);
    const isHeld = whole.failed === 0 && whole.passed > 0 && without.failed > 0;
    if (!isHeld) open++;
    console.log(
      `${isHeld ? 'held' : 'OPEN'}  ${guard.invariant}  ${guard.keeps}: a test ${without.failed > 0 ? 'fails' : 'does not fail'} without it`,
    );
    if (whole.failed > 0 || whole.passed === 0) console.log(`with the line in place:\n${whole.output}`);
    else if (!isHeld) console.log(`${guard.file}: ${guard.line}\n${without.output}`);
  }
} finally {
  workspace.remove();
}
console.log(`${chosen.length - open} of ${chosen.length} guards are held by a test`);
process.exitCode = open === 0 && chosen.length > 0 ? 0 : 1;
