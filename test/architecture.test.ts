import { execFileSync } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  danglingImports,
  forbiddenImports,
  IMPURE,
  IMPURE_BUT_FORMATS,
  importCycles,
  importsOf,
  linesMatching,
  longFiles,
  machineTraces,
  type RoomRules,
  type Sources,
  unreachableFiles,
  writesPastQueue,
} from './support/architecture.ts';

const LINES_MAX = 400;
const MAIN_LINES_MAX = 60;

/** Which way data flows, as import rules. Each vendor library has one room. */
const RULES: Readonly<Record<string, RoomRules>> = {
  model: { rooms: [], packages: [], node: false },
  // A digest is a function of its input like any other.
  matcher: { rooms: ['model'], packages: [], node: ['node:crypto'] },
  engine: { rooms: ['model', 'matcher'], packages: [], node: true },
  stream: { rooms: ['model'], packages: ['nats', 'p-retry'], node: true },
  store: { rooms: ['model'], packages: ['lmdb', 'msgpackr'], node: true },
  outbox: { rooms: ['model'], packages: ['ipaddr.js', 'nodemailer', 'p-retry', 'undici'], node: true },
  api: { rooms: ['model'], packages: ['@hono/node-server', 'hono', 'zod'], node: true },
  telemetry: { rooms: ['model'], packages: ['pino', 'pino-pretty', 'prom-client'], node: true },
  config: { rooms: [], packages: ['zod'], node: true },
  composition: { rooms: 'any', packages: [], node: true },
  'compose.ts': { rooms: 'any', packages: [], node: true },
  'signals.ts': { rooms: [], packages: [], node: true },
  'main.ts': { rooms: ['compose.ts', 'config', 'signals.ts', 'telemetry'], packages: [], node: true },
  cli: { rooms: 'any', packages: 'any', node: true },
};

/** The queue itself, what opens the environment, and the copy, which only reads. */
const BELOW_QUEUE = ['writeQueue', 'environment', 'backup', 'deliveryMigration'].map(
  (name) => `src/store/${name}.ts`,
);
/** Helpers that steps call. Nothing in them may wait. */
const ROW_FILES = ['answerRows', 'backfillRows', 'deliveryRows', 'fireRows', 'highWater', 'rangeCounts'].map(
  (name) => `src/store/${name}.ts`,
);

const root = fileURLToPath(new URL('..', import.meta.url));

/** Every file that is tracked or about to be: what git would not ignore. */
function projectFiles(): string[] {
  const listing = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  });
  const isFile = (path: string) => statSync(join(root, path), { throwIfNoEntry: false })?.isFile() === true;
  return listing.split('\0').filter((path) => path !== '' && isFile(path));
}

const everything: Sources = new Map(
  projectFiles().map((path) => [path, readFileSync(join(root, path), 'utf8')]),
);

function sourcesIn(...folders: readonly string[]): Sources {
  return new Map(
    [...everything].filter(
      ([path]) => /\.m?ts$/.test(path) && folders.some((folder) => path.startsWith(folder)),
    ),
  );
}

function fake(files: Readonly<Record<string, string>>): Sources {
  return new Map(Object.entries(files));
}

const source = sourcesIn('src/');

describe('the house', () => {
  it('has files to check in every room', () => {
    const rooms = new Set([...source.keys()].map((path) => path.split('/')[1]));
    expect([...rooms].sort()).toEqual(Object.keys(RULES).sort());
  });

  it('lets each room import only what it may', () => {
    expect(forbiddenImports(source, RULES)).toEqual([]);
  });

  it('imports only files that exist', () => {
    expect(danglingImports(source)).toEqual([]);
  });

  it('has no import cycles', () => {
    expect(importCycles(source)).toEqual([]);
  });

  it('has nothing that main.ts or a command does not lead to', () => {
    const isEntry = (path: string) => path === 'src/main.ts' || path.startsWith('src/cli/');
    expect(unreachableFiles(source, isEntry)).toEqual([]);
  });

  it('reads the environment in config alone', () => {
    const others = new Map([...source].filter(([path]) => !path.startsWith('src/config/')));
    expect(linesMatching(others, /\bprocess\.env\b|\benv\s*[,}].*=\s*process\b/)).toEqual([]);
  });

  it('keeps the matcher free of clocks, chance and waiting', () => {
    expect(linesMatching(sourcesIn('src/matcher/'), IMPURE)).toEqual([]);
  });

  it('keeps the model free of them too, but for writing a given instant as text', () => {
    expect(linesMatching(sourcesIn('src/model/'), IMPURE_BUT_FORMATS)).toEqual([]);
  });

  it('writes to the store through its queue alone, but for the layout of a new one', () => {
    const others = [...sourcesIn('src/')].filter(([path]) => ![...BELOW_QUEUE, ...ROW_FILES].includes(path));
    const stores = others.filter(([path]) => path.startsWith('src/store/'));
    expect(writesPastQueue(new Map(stores))).toEqual([
      expect.stringMatching(/^src\/store\/states\.ts:\d+: this\.meta\.putSync\(.*LAYOUT_VERSION/),
    ]);
    const opening = others.filter(([path]) => !path.startsWith('src/store/'));
    expect(linesMatching(new Map(opening), /\benvironment\.(?:root|table|bytesTable)\b/)).toEqual([]);
    expect(linesMatching(sourcesIn(...ROW_FILES), /\basync\b|\bawait\b|\bPromise\b|\.root\b|Sync\(/)).toEqual(
      [],
    );
  });

  it('keeps files short, and main.ts very short', () => {
    expect(longFiles(source, LINES_MAX)).toEqual([]);
    expect(longFiles(sourcesIn('src/main.ts'), MAIN_LINES_MAX)).toEqual([]);
  });

  it('carries no trace of the machine it was written on', () => {
    const others = new Map([...everything].filter(([path]) => !path.startsWith('test/support/architecture')));
    others.delete('test/architecture.test.ts');
    expect(machineTraces(others)).toEqual([]);
  });
});

describe('the checks can fail', () => {
  it('finds imports of every form, and none in comments', () => {
    const text = `
      import a from './a.ts';
      import type { B } from "./b.ts";
      import {
        c,
      } from './c.ts';
      import './d.ts';
      export * from './e.ts';
      export { f } from './f.ts';
      const g = await import('./g.ts');
      // import no from './no.ts';
      /* import no from './no.ts'; */
      export function from() { return 'x'; }
    `;
    expect(importsOf(text)).toEqual(['./a.ts', './b.ts', './c.ts', './d.ts', './e.ts', './f.ts', './g.ts']);
  });

  it('finds imports across rooms, of foreign packages, of Node, out of src, and unknown rooms', () => {
    const files = fake({
      'src/model/event.ts': "import { x } from 'node:fs';",
      'src/matcher/a.ts': "import { x } from '../model/event.ts'; import { y } from '../engine/b.ts';",
      'src/stream/s.ts': "import { connect } from 'nats'; import type { H } from 'hono/types';",
      'src/api/s.ts': "import { serve } from '@hono/node-server/x'; import '../../test/help.ts';",
      'src/attic/old.ts': '',
    });
    expect(forbiddenImports(files, RULES)).toEqual([
      'src/model/event.ts imports node:fs',
      'src/matcher/a.ts imports src/engine/b.ts',
      'src/stream/s.ts imports hono/types',
      'src/api/s.ts imports test/help.ts, which is outside src',
      'src/attic/old.ts: there is no room attic',
    ]);
  });

  it('finds dangling imports', () => {
    expect(danglingImports(fake({ 'src/a.ts': "import './b.ts';" }))).toEqual(['src/a.ts imports ./b.ts']);
  });

  it('finds cycles', () => {
    const files = fake({
      'src/a.ts': "import './b.ts';",
      'src/b.ts': "import './c.ts';",
      'src/c.ts': "import type { B } from './b.ts';",
    });
    expect(importCycles(files)).toEqual(['src/b.ts → src/c.ts → src/b.ts']);
  });

  it('finds unreachable files', () => {
    const files = fake({ 'src/main.ts': "import './a.ts';", 'src/a.ts': '', 'src/b.ts': '' });
    expect(unreachableFiles(files, (path) => path === 'src/main.ts')).toEqual(['src/b.ts']);
  });

  it.each([
    'const now = Date.now();',
    'const now = new Date();',
    'const now = new Date;',
    'const at = Date();',
    'Math.random()',
    'async function f() {}',
    'return Promise.resolve();',
    'setTimeout(f, 1);',
    'performance.now()',
    'crypto.randomUUID()',
    'randomBytes(8)',
    'process.hrtime()',
  ])('finds what is impure: %s', (line) => {
    expect(linesMatching(fake({ 'src/model/a.ts': line }), IMPURE)).toHaveLength(1);
    expect(linesMatching(fake({ 'src/model/a.ts': line }), IMPURE_BUT_FORMATS)).toHaveLength(1);
  });

  it.each([
    '// asks Date.now() nowhere',
    "const word = 'async';",
    'function hasDateTimeShape() {}',
    'const isPromised = true;',
  ])('lets comments, quoted text and longer names pass: %s', (line) => {
    expect(linesMatching(fake({ 'src/model/a.ts': line }), IMPURE)).toEqual([]);
  });

  it('lets a given instant be formatted in the model alone', () => {
    const files = fake({ 'src/model/a.ts': 'new Date(ms).toISOString();\nDate.UTC(2020, 1);' });
    expect(linesMatching(files, IMPURE_BUT_FORMATS)).toEqual([]);
    expect(linesMatching(files, IMPURE)).toEqual([
      'src/model/a.ts:1: new Date(ms).toISOString();',
      'src/model/a.ts:2: Date.UTC(2020, 1);',
    ]);
  });

  it.each([
    "await this.#meta.put(['a'], row);",
    'void table.remove([key]);',
    "return this.meta.putSync(['a'], row);",
    'this.#environment.root.transaction(() => 1);',
    'await environment.write(() => {\n  call(1);\n});\nawait table.put([1], row);',
  ])('finds writes past the queue: %s', (code) => {
    expect(writesPastQueue(fake({ 'src/store/a.ts': code }))).toHaveLength(1);
  });

  it.each([
    'await environment.write(() => void table.put([1], row));',
    'await this.#environment.write(() => {\n  if (f(1)) table.remove([1]);\n  table.put([2], row);\n});',
    'removed += this.#fires.rows.remove(fire);',
  ])('lets writes in a step of the queue and the calls of row helpers pass: %s', (code) => {
    expect(writesPastQueue(fake({ 'src/store/a.ts': code }))).toEqual([]);
  });

  it('finds long files', () => {
    expect(longFiles(fake({ 'src/a.ts': 'x\n'.repeat(401), 'src/b.ts': 'x\n'.repeat(400) }), 400)).toEqual([
      'src/a.ts has 401 lines',
    ]);
  });

  it('finds home directories and registry hosts', () => {
    const files = fake({
      'a.md': "see '/home/me/notes' and /Users/me/x",
      'b.json': '"resolved": "https://registry.npmjs.org/x"',
      'c.ts': "const url = 'https://example.com/home/page'; import './root/x.ts';",
    });
    expect(machineTraces(files)).toEqual(['a.md:1: /home/me', 'b.json:1: "resolved": "http']);
  });
});
