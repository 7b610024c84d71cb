/** The demo as it was built: threads of the program can only be begun from compiled code. */
const built = (name: string): string => new URL(`../../dist/src/cli/${name}.js`, import.meta.url).href;

export const { runDemo } = (await import(built('demoRun'))) as typeof import('../../src/cli/demoRun.ts');
export const { ApiRefusal } = (await import(
  built('demoClient')
)) as typeof import('../../src/cli/demoClient.ts');
