const UNITS = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
  ['second', 1],
] as const;

/** A window in the largest unit that divides it: "7 days", "1 hour", "90 seconds". */
export function windowLabel(windowSeconds: number): string {
  const [unit, seconds] = UNITS.find(([, unitSeconds]) => windowSeconds % unitSeconds === 0) ?? UNITS[3];
  const count = windowSeconds / seconds;
  return `${count} ${unit}${count === 1 ? '' : 's'}`;
}
