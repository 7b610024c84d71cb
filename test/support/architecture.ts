import { posix } from 'node:path';

/**
 * Checks on the source as text. Each takes the files and returns the offenders, one readable line each; none
 * means that the rule holds.
 */

/** Source text by path from the root of the project, with forward slashes. */
export type Sources = ReadonlyMap<string, string>;

/** What a room may import beside its own files. */
export interface RoomRules {
  readonly rooms: readonly string[] | 'any';
  readonly packages: readonly string[] | 'any';
  /** Whether Node's own modules are open to it. */
  readonly node: boolean | readonly string[];
}

const TOKEN_PATTERN = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"/g;

/** The code alone: comments go, line breaks stay; `keepStrings` decides on quoted text. */
function codeOf(text: string, keepStrings: boolean): string {
  return text.replace(TOKEN_PATTERN, (token) => {
    if (token.startsWith('/')) return token.replace(/[^\n]/g, '');
    return keepStrings ? token : "''";
  });
}

/** The specifiers of every import and re-export, dynamic ones and those of types alone included. */
export function importsOf(text: string): string[] {
  const code = codeOf(text, true);
  const pattern =
    /\b(?:import|export)\s[^'";()]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...code.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

/** `src/api/fires.ts` → `api`; a file directly in src is a room of its own: `main.ts`. */
function roomOf(path: string): string {
  return path.split('/')[1] ?? path;
}

function resolveImport(importer: string, specifier: string): string {
  return posix.join(posix.dirname(importer), specifier);
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function permits(allowed: readonly string[] | 'any', name: string): boolean {
  return allowed === 'any' || allowed.includes(name);
}

/** Imports that lead where the room may not go, and files in no known room. */
export function forbiddenImports(sources: Sources, rules: Readonly<Record<string, RoomRules>>): string[] {
  return [...sources].flatMap(([path, text]) => {
    const room = roomOf(path);
    const rule = rules[room];
    if (rule === undefined) return [`${path}: there is no room ${room}`];
    return importsOf(text).flatMap((specifier) => {
      if (specifier.startsWith('node:')) {
        const isAllowed = typeof rule.node === 'boolean' ? rule.node : rule.node.includes(specifier);
        return isAllowed ? [] : [`${path} imports ${specifier}`];
      }
      if (!specifier.startsWith('.')) {
        return permits(rule.packages, packageOf(specifier)) ? [] : [`${path} imports ${specifier}`];
      }
      const target = resolveImport(path, specifier);
      if (!target.startsWith('src/')) return [`${path} imports ${target}, which is outside src`];
      const targetRoom = roomOf(target);
      return targetRoom === room || permits(rule.rooms, targetRoom) ? [] : [`${path} imports ${target}`];
    });
  });
}

function localImports(sources: Sources, path: string): string[] {
  return importsOf(sources.get(path) ?? '')
    .filter((specifier) => specifier.startsWith('.'))
    .map((specifier) => resolveImport(path, specifier))
    .filter((target) => sources.has(target));
}

/** Imports of files that do not exist. */
export function danglingImports(sources: Sources): string[] {
  return [...sources].flatMap(([path, text]) =>
    importsOf(text)
      .filter((specifier) => specifier.startsWith('.') && !sources.has(resolveImport(path, specifier)))
      .map((specifier) => `${path} imports ${specifier}`),
  );
}

/** Each cycle once, as the path around it. */
export function importCycles(sources: Sources): string[] {
  const cycles: string[] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      cycles.push([...trail.slice(start), path].join(' → '));
      return;
    }
    if (done.has(path)) return;
    for (const target of localImports(sources, path)) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of sources.keys()) visit(path, []);
  return cycles;
}

/** Files that no entry leads to. */
export function unreachableFiles(sources: Sources, isEntry: (path: string) => boolean): string[] {
  const reached = new Set<string>();
  const open = [...sources.keys()].filter(isEntry);
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (reached.has(path)) continue;
    reached.add(path);
    open.push(...localImports(sources, path));
  }
  return [...sources.keys()].filter((path) => !reached.has(path));
}

/** Lines of code, comments and quoted text aside, that match; as `path:line: text`. */
export function linesMatching(sources: Sources, pattern: RegExp): string[] {
  return [...sources].flatMap(([path, text]) => {
    const original = text.split('\n');
    return codeOf(text, false)
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${original[index]?.trim()}`] : [],
      );
  });
}

const STEP_START = /\benvironment\.write\(/g;
/** A row helper is called `rows`, and is no table; `putSync` and the like wait for nobody's place in the queue. */
const TABLE_WRITE =
  /(?<!\brows)\.(?:put|remove)\(|\.(?:put|remove|clear|drop)(?:Sync|Async)\(|\.(?:ifVersion|ifNoExists)\(|[tT]ransaction(?:Sync|Async)?\(|\.root\b/;

/** Lines that write to a table, or reach for what can, outside of every step that is passed to `environment.write`. */
export function writesPastQueue(sources: Sources): string[] {
  const withoutSteps = new Map([...sources].map(([path, text]) => [path, blankSteps(codeOf(text, false))]));
  return linesMatching(withoutSteps, TABLE_WRITE);
}

/** Takes out what stands between the parentheses of `environment.write`; line breaks stay. */
function blankSteps(code: string): string {
  let blanked = '';
  let end = 0;
  for (const { index, 0: start } of code.matchAll(STEP_START)) {
    if (index < end) continue;
    blanked += code.slice(end, index);
    end = index + start.length;
    for (let open = 1; open > 0 && end < code.length; end++) {
      if (code[end] === '(') open++;
      if (code[end] === ')') open--;
    }
    blanked += code.slice(index, end).replace(/[^\n]/g, '');
  }
  return blanked + code.slice(end);
}

/** Clocks, chance, timers and everything asynchronous: what a pure room must not use. */
export const IMPURE =
  /\bDate\b|\bMath\.random\b|\bcrypto\b|\brandom[A-Z]\w*|\bperformance\b|\bprocess\b|\bglobalThis\b|\basync\b|\bawait\b|\bPromise\b|\bset(?:Timeout|Interval|Immediate)\b|\bqueueMicrotask\b|\bfetch\(|\bconsole\b/;

/** As IMPURE, but a date may be made from a given instant: `new Date(ms)` and `Date.UTC(…)` read no clock. */
export const IMPURE_BUT_FORMATS = new RegExp(
  IMPURE.source.replace('\\bDate\\b', '(?<!new )\\bDate\\b(?!\\.UTC\\()|\\bnew Date\\b(?!\\([^)])'),
);

/** Files with more lines than allowed. */
export function longFiles(sources: Sources, linesMax: number): string[] {
  return [...sources].flatMap(([path, text]) => {
    const lines = text.trimEnd().split('\n').length;
    return lines > linesMax ? [`${path} has ${lines} lines`] : [];
  });
}

/** Text that ties the project to one machine: home directories, and the hosts of package registries. */
export function machineTraces(files: Sources): string[] {
  const hosts = ['registry.npmjs', 'registry.yarnpkg', 'npm.pkg.github', 'artifactory', 'npmmirror'];
  const hostPattern = hosts.map((host) => host.replaceAll('.', '\\.')).join('|');
  const pattern = new RegExp(
    `(?<![\\w.:/~-])/(?:work|root|home|Users)/[\\w.-]+|(?:${hostPattern})\\b|"resolved": "http`,
  );
  return [...files].flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) => {
      const found = pattern.exec(line);
      return found === null ? [] : [`${path}:${index + 1}: ${found[0]}`];
    }),
  );
}
