/** A module of `src` as it was built: threads of the program can only be begun from compiled code. */
export function compiled<Module>(path: string): Promise<Module> {
  return import(new URL(`../../dist/src/${path}.js`, import.meta.url).href) as Promise<Module>;
}
