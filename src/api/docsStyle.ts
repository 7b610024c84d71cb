/** The style of `/docs`; it names no font and no picture that would have to come from elsewhere. */
export const DOCS_STYLE = `
:root { color-scheme: light dark; --line: #8884; --quiet: #8881; --accent: #3867d6; }
* { box-sizing: border-box; }
body { margin: 0; display: grid; grid-template-columns: 22rem minmax(0, 1fr); font: 16px/1.55 system-ui, sans-serif; }
nav { position: sticky; top: 0; height: 100vh; overflow-y: auto; padding: 1.5rem; border-right: 1px solid var(--line); font-size: 0.85rem; }
nav h2 { margin: 1rem 0 0.25rem; font-size: 0.95rem; }
nav ul { margin: 0; padding: 0; list-style: none; }
nav a { display: block; padding: 0.15rem 0; color: inherit; text-decoration: none; overflow-wrap: anywhere; }
nav a:hover { text-decoration: underline; }
main { max-width: 60rem; padding: 2rem 3rem 6rem; }
h1 { margin-top: 0; font-size: 1.8rem; }
section > h2 { margin-top: 3rem; padding-bottom: 0.3rem; border-bottom: 2px solid var(--line); }
article { margin: 2rem 0; padding: 0.5rem 1.5rem 1.25rem; border: 1px solid var(--line); border-radius: 10px; }
article:target { border-color: var(--accent); }
h3 { font-size: 1.05rem; }
h4 { margin: 1.25rem 0 0.4rem; font-size: 0.9rem; }
code, pre { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.85em; }
pre { padding: 0.8rem 1rem; overflow-x: auto; border-radius: 8px; background: var(--quiet); }
pre code { font-size: 0.8rem; }
.method { display: inline-block; min-width: 4.2em; padding: 0 0.5em; border-radius: 5px; color: #fff; background: #57606f; font-size: 0.72rem; font-weight: 600; text-align: center; }
.method.get { background: #1e7e4f; }
.method.post { background: #2a5bc4; }
.method.put, .method.patch { background: #a35200; }
.method.delete { background: #b3293a; }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.35rem 0.75rem 0.35rem 0; border-top: 1px solid var(--line); text-align: left; vertical-align: top; font-weight: normal; }
details { margin-top: 0.75rem; }
summary { cursor: pointer; font-size: 0.9rem; }
dt { font-weight: 600; font-size: 0.9rem; }
dd { margin: 0 0 0.5rem; }
@media (max-width: 60rem) {
  body { display: block; }
  nav { position: static; height: auto; border-right: 0; border-bottom: 1px solid var(--line); }
  main { padding: 1.5rem; }
}
`;
