import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** Tests that only compute: no process, no network and no wait, so that a busy machine makes them slower and no more. */
const COMPUTING = [
  'test/property/**/*.test.ts',
  'test/simulation/**/*.test.ts',
  'test/unit/{engine,matcher,model,stream,telemetry}/**/*.test.ts',
];

export default defineConfig({
  test: {
    globalSetup: ['test/support/globalSetup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'computing',
          include: COMPUTING,
          // The others leave a core to the processes that they start.
          maxWorkers: availableParallelism(),
          // They make very many small matchers, whose garbage is collected less often so.
          execArgv: ['--max-semi-space-size=64'],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'rest',
          include: ['test/**/*.test.ts'],
          exclude: COMPUTING,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
