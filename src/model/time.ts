const MICROS_PER_SECOND = 1_000_000;
const SECONDS_PER_DAY = 86_400;
const TWO_DIGITS = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'));
/** The day that was written last, since times that are written together are near each other, and its text with the `T`. */
let lastDay = Number.NaN;
let lastDayText = '';

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
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  const whole = textOfDay(day) + textOfSecond(seconds - day * SECONDS_PER_DAY);
  if (fraction === 0) return `${whole}Z`;
  const digits = String(fraction).padStart(6, '0').replace(/0+$/, '');
  return `${whole}.${digits}Z`;
}

/**
 * Writes an instant with three fraction digits, as `Date.prototype.toISOString` does for whole milliseconds and
 * several times as fast.
 *
 * @param ms milliseconds since 1970-01-01T00:00:00Z, in the years 0 to 9999; rounded down
 */
export function formatMillis(ms: number): string {
  const whole = Math.floor(ms);
  const seconds = Math.floor(whole / 1000);
  const day = Math.floor(seconds / SECONDS_PER_DAY);
  const fraction = String(whole - seconds * 1000).padStart(3, '0');
  return `${textOfDay(day)}${textOfSecond(seconds - day * SECONDS_PER_DAY)}.${fraction}Z`;
}

function textOfDay(day: number): string {
  if (day !== lastDay) {
    lastDayText = new Date(day * SECONDS_PER_DAY * 1000).toISOString().slice(0, -'00:00:00.000Z'.length);
    lastDay = day;
  }
  return lastDayText;
}

function textOfSecond(ofDay: number): string {
  const minutes = Math.floor(ofDay / 60);
  const hours = Math.floor(minutes / 60);
  return `${TWO_DIGITS[hours]}:${TWO_DIGITS[minutes - hours * 60]}:${TWO_DIGITS[ofDay - minutes * 60]}`;
}
