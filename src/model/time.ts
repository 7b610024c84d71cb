const MICROS_PER_SECOND = 1_000_000;

/**
 * Writes an instant as RFC 3339 in UTC with `Z`, with no more fraction digits than it needs:
 * `2024-05-01T10:00:00Z`, `2024-05-01T10:00:00.25Z`, `2024-05-01T10:00:00.000001Z`.
 *
 * @param micros integer microseconds since 1970-01-01T00:00:00Z, within ±2^53; negative before 1970
 */
export function formatMicros(micros: number): string {
  // Seconds are rounded down, so that the fraction counts forward from them before 1970 as well.
  const seconds = Math.floor(micros / MICROS_PER_SECOND);
  const fraction = micros - seconds * MICROS_PER_SECOND;
  const whole = new Date(seconds * 1000).toISOString().slice(0, -'.000Z'.length);
  if (fraction === 0) return `${whole}Z`;
  const digits = String(fraction).padStart(6, '0').replace(/0+$/, '');
  return `${whole}.${digits}Z`;
}
