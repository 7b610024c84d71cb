/**
 * Asks the registry for known vulnerabilities of the packages that run in production. Exit code 1 when one is
 * high or critical. A registry that does not answer in time, or has no such endpoint, is no failure: then one
 * line says so.
 *
 *   node .ci/audit.mjs [--timeout-ms N]
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { 'timeout-ms': { type: 'string', default: '20000' } } });
const timeoutMs = Number(values['timeout-ms']);
const SEVERE = ['high', 'critical'];

/** What npm found: package → { severity, … }; null where it did not find out. */
function vulnerabilities() {
  const options = ['--omit=dev', '--json', '--fetch-retries=0', `--fetch-timeout=${timeoutMs}`];
  const { stdout } = spawnSync('npm', ['audit', ...options], { encoding: 'utf8', timeout: timeoutMs });
  try {
    return JSON.parse(stdout).vulnerabilities ?? null;
  } catch {
    return null;
  }
}

const found = vulnerabilities();
if (found === null) {
  console.log('audit: the registry gave no answer, so nothing is known of vulnerabilities');
} else {
  const entries = Object.values(found);
  const severe = entries.filter(({ severity }) => SEVERE.includes(severity));
  for (const { name, severity, via } of severe) {
    // What is not an advisory of its own is the name of the package that brings it in.
    const causes = via.map((cause) => (typeof cause === 'string' ? cause : cause.url));
    console.log(`audit: ${name} is ${severity}: ${causes.join(', ')}`);
  }
  console.log(`audit: vulnerable packages in production: ${entries.length}, high or critical: ${severe.length}`);
  process.exitCode = severe.length === 0 ? 0 : 1;
}
