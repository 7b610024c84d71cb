import { Problem } from './problem.ts';
import type { ApiContext } from './request.ts';

/** Conditional requests as RFC 9110 has them: a thing with a version has the version as its strong entity tag. */
export function entityTag(version: number): string {
  return `"${version}"`;
}

/** Whether If-None-Match names the version, so that there is nothing new to be read. */
export function isKnown(context: ApiContext, version: number): boolean {
  const header = context.req.header('if-none-match');
  // This comparison is the weak one: what marks a tag as weak does not count.
  return header !== undefined && names(header.replace(/(^|[\s,])W\//g, '$1'), version);
}

/** Throws a 412 where If-Match is there and does not name the version. */
export function requireVersion(context: ApiContext, version: number): void {
  const header = context.req.header('if-match');
  if (header === undefined || names(header, version)) return;
  const etag = entityTag(version);
  throw new Problem(412, `It is at version ${version}, ETag ${etag}, which If-Match does not name.`, {
    headers: { etag },
  });
}

function names(header: string, version: number): boolean {
  return header
    .split(',')
    .map((tag) => tag.trim())
    .some((tag) => tag === '*' || tag === entityTag(version));
}
