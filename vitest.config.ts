import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/**
 * Tests that compute, and at most read and write files: they talk to nobody and wait for nobody, so that a busy machine
 * makes them slower and no more.
 */
const COMPUTING = [
  'test/property/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/unit/{api,bench,composition,config,engine,matcher,model,outbox,store,stream,telemetry}/**/*.test.ts',
];
/** Tests of whole processes, whose starts take most of the time: they wait for what is to come for up to a minute. */
const PROCESSES = [
  'test/integration/{bench,program}/**/*.test.ts',
  'test/crash/**/*.test.ts',
  'test/fuzz/**/*.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/support/globalSetup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // One after the other: the rest, where times of less than a second count, has a core for what it talks to.
    projects: [
      {
        extends: true,
        test: {
          name: 'computing',
          include: COMPUTING,
          maxWorkers: availableParallelism(),
          // They make very many small matchers, whose garbage is collected less often so.
          execArgv: ['--max-semi-space-size=64'],
          // They share nothing but modules; loaded anew for each file they made the 115 s of all of them 195.
          isolate: false,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: PROCESSES,
          maxWorkers: availableParallelism(),
          sequence: { groupOrder: 1 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rest',
          include: ['test/**/*.test.ts'],
          exclude: [...COMPUTING, ...PROCESSES],
          maxWorkers: Math.max(1, availableParallelism() - 1),
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
