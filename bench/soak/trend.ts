/** How a series moves: a least-squares line, and how sure that is. */
export interface Trend {
  readonly slopePerHour: number;
  /** Half of the 95 % interval of the slope. */
  readonly marginPerHour: number;
}

export interface Point {
  readonly seconds: number;
  readonly value: number;
}

const POINTS_MIN = 6;
const SECONDS_PER_HOUR = 3_600;
const NORMAL_975 = 1.959964;

/**
 * The trend of a series, or undefined for fewer than 6 points. Samples that follow each other are alike (a heap
 * is a saw-tooth), which makes the textbook interval too narrow: it is widened by sqrt((1+r)/(1-r)), r the
 * correlation of neighbouring residuals, as for an AR(1) process.
 */
export function trendOf(points: readonly Point[]): Trend | undefined {
  const count = points.length;
  if (count < POINTS_MIN) return undefined;
  const hours = points.map(({ seconds }) => seconds / SECONDS_PER_HOUR);
  const values = points.map(({ value }) => value);
  const meanHours = mean(hours);
  const meanValue = mean(values);
  const spread = sum(hours.map((hour) => (hour - meanHours) ** 2));
  const slope = sum(hours.map((hour, index) => (hour - meanHours) * (values[index]! - meanValue))) / spread;
  const residuals = values.map((value, index) => value - meanValue - slope * (hours[index]! - meanHours));
  const squares = sum(residuals.map((residual) => residual ** 2));
  const error = Math.sqrt(squares / (count - 2) / spread);
  const alike =
    squares === 0 ? 0 : sum(residuals.slice(1).map((each, index) => each * residuals[index]!)) / squares;
  const widening = Math.sqrt((1 + clamp(alike)) / (1 - clamp(alike)));
  return { slopePerHour: slope, marginPerHour: student975(count - 2) * error * widening };
}

/** `no growth` unless the whole interval lies above zero. */
export function verdictOf(trend: Trend | undefined, unit: string): string {
  if (trend === undefined) return 'too few samples';
  const { slopePerHour, marginPerHour } = trend;
  if (slopePerHour - marginPerHour <= 0) return 'no growth';
  return `grows by ${rounded(slopePerHour)} ${unit === '' ? '' : `${unit}`}/h`.replace(' /', '/');
}

/** To three significant digits. */
export function rounded(value: number): number {
  return Number(value.toPrecision(3));
}

/** Only what makes an interval wider counts, and not without limit. */
function clamp(correlation: number): number {
  return Math.min(0.95, Math.max(0, correlation));
}

/** The 97.5 % quantile of Student's t: the first terms of its expansion around the normal one. */
function student975(freedom: number): number {
  const z = NORMAL_975;
  return z + (z ** 3 + z) / (4 * freedom) + (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * freedom ** 2);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
