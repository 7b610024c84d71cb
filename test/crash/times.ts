/** Microseconds of an RFC 3339 time in UTC; finer digits are cut. */
export function microsOf(time: string): number {
  const [, seconds, fraction = ''] = /^([^.]*?)(?:\.(\d+))?Z$/.exec(time) ?? [];
  return Date.parse(`${seconds}Z`) * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** With no more fraction digits than needed, as every time in an answer. */
export function timeText(micros: number): string {
  const fraction = String(micros % 1_000_000)
    .padStart(6, '0')
    .replace(/0+$/, '');
  const whole = new Date(Math.floor(micros / 1_000)).toISOString().slice(0, 19);
  return fraction === '' ? `${whole}Z` : `${whole}.${fraction}Z`;
}
