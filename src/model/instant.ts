const ZERO = 48;
const NINE = 57;
const POINT = 46;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;

const SHORTEST = '2026-01-01T00:00:00Z'.length;
const FRACTION_START = 20;
const MICROSECOND_DIGITS = 6;

/**
 * Reads an RFC 3339 date-time (`2026-03-01T09:30:00.25+02:00`) as integer microseconds since
 * 1970-01-01T00:00:00Z, or undefined where the text is not one.
 *
 * An offset or `Z` is required, `t` and `z` may be lower case, and the date must exist in the calendar.
 * Hour 24 and leap seconds (`:60`) are refused, because neither has an instant of its own on this clock.
 * A fraction may have any number of digits; those beyond the sixth are cut, which rounds toward the past
 * before 1970 as well. Instants that microseconds in a double cannot hold exactly (outside the years 1684
 * to 2255) are refused. Runs for every event of the feed, so it reads characters instead of matching a
 * pattern.
 */
export function parseInstant(text: string): number | undefined {
  if (text.length < SHORTEST || !hasDateTimeShape(text)) return undefined;
  const days = daysSinceEpoch(digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2));
  const seconds = secondsOfDay(digitsAt(text, 11, 2), digitsAt(text, 14, 2), digitsAt(text, 17, 2));
  if (Number.isNaN(days) || Number.isNaN(seconds)) return undefined;

  const fractionEnd = endOfFraction(text);
  if (fractionEnd === undefined) return undefined;
  const offsetSeconds = offsetAt(text, fractionEnd);
  if (Number.isNaN(offsetSeconds)) return undefined;

  const micros = (days * 86_400 + seconds - offsetSeconds) * 1_000_000 + fractionMicros(text, fractionEnd);
  return Number.isSafeInteger(micros) ? micros : undefined;
}

function hasDateTimeShape(text: string): boolean {
  const separator = text.charCodeAt(10) | 0x20;
  return (
    text.charCodeAt(4) === MINUS &&
    text.charCodeAt(7) === MINUS &&
    separator === 0x74 &&
    text.charCodeAt(13) === COLON &&
    text.charCodeAt(16) === COLON
  );
}

/** The number written in `count` digits from `start`; NaN where one of them is no digit. */
function digitsAt(text: string, start: number, count: number): number {
  let value = 0;
  for (let index = start; index < start + count; index += 1) {
    const code = text.charCodeAt(index);
    if (!isDigit(code)) return Number.NaN;
    value = value * 10 + (code - ZERO);
  }
  return value;
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= NINE;
}

/** Days from 1970-01-01 in the proleptic Gregorian calendar; NaN for a date that does not exist. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  if (!(month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month))) return Number.NaN;
  // Counting the year from March puts the leap day last, so that the months before it have fixed lengths.
  const marchYear = month > 2 ? year : year - 1;
  const marchMonth = (month + 9) % 12;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  const dayOfMarchYear = Math.floor((153 * marchMonth + 2) / 5) + day - 1;
  return marchYear * 365 + leapDays + dayOfMarchYear - DAYS_FROM_MARCH_OF_YEAR_0_TO_1970;
}

const DAYS_FROM_MARCH_OF_YEAR_0_TO_1970 = 719_468;

function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

function secondsOfDay(hour: number, minute: number, second: number): number {
  return hour <= 23 && minute <= 59 && second <= 59 ? hour * 3600 + minute * 60 + second : Number.NaN;
}

/** Index of the first character after the seconds and their fraction; undefined where the point has no digits. */
function endOfFraction(text: string): number | undefined {
  if (text.charCodeAt(FRACTION_START - 1) !== POINT) return FRACTION_START - 1;
  let end = FRACTION_START;
  while (end < text.length && isDigit(text.charCodeAt(end))) end += 1;
  return end > FRACTION_START ? end : undefined;
}

function fractionMicros(text: string, end: number): number {
  let micros = 0;
  for (let index = FRACTION_START; index < FRACTION_START + MICROSECOND_DIGITS; index += 1) {
    micros = micros * 10 + (index < end ? text.charCodeAt(index) - ZERO : 0);
  }
  return micros;
}

/** Seconds east of UTC that the rest of the text names; NaN where it is neither `Z` nor `±hh:mm`. */
function offsetAt(text: string, start: number): number {
  const sign = text.charCodeAt(start);
  if ((sign | 0x20) === 0x7a) return text.length === start + 1 ? 0 : Number.NaN;
  const isOffset = sign === PLUS || sign === MINUS;
  if (!isOffset || text.length !== start + 6 || text.charCodeAt(start + 3) !== COLON) return Number.NaN;
  const seconds = secondsOfDay(digitsAt(text, start + 1, 2), digitsAt(text, start + 4, 2), 0);
  return sign === MINUS ? -seconds : seconds;
}
