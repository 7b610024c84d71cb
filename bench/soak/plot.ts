/** One panel of a plot. */
export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly points: readonly { readonly seconds: number; readonly value: number }[];
}

const COLUMNS = 3;
const PANEL_WIDTH = 360;
const PANEL_HEIGHT = 190;
const INSET = { left: 62, right: 14, top: 34, bottom: 38 };
const HEADING_HEIGHT = 44;
const TICKS = 4;

/**
 * Small multiples as SVG: a panel for each series over the same time, from zero upwards, with the warm-up
 * shaded, which the verdict leaves out.
 */
export function plot(heading: string, panels: readonly Panel[], warmupSeconds: number): string {
  const rows = Math.ceil(panels.length / COLUMNS);
  const width = COLUMNS * PANEL_WIDTH;
  const height = HEADING_HEIGHT + rows * PANEL_HEIGHT;
  const drawn = panels.map((panel, index) => {
    const left = (index % COLUMNS) * PANEL_WIDTH;
    const top = HEADING_HEIGHT + Math.floor(index / COLUMNS) * PANEL_HEIGHT;
    return `<g transform="translate(${left} ${top})">${draw(panel, warmupSeconds)}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif" font-size="11" fill="#333333">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    `<text x="14" y="27" font-size="16">${escaped(heading)}</text>`,
    ...drawn,
    '</svg>',
    '',
  ].join('\n');
}

function draw({ title, unit, points }: Panel, warmupSeconds: number): string {
  const width = PANEL_WIDTH - INSET.left - INSET.right;
  const height = PANEL_HEIGHT - INSET.top - INSET.bottom;
  const minutesMax = Math.max(...points.map(({ seconds }) => seconds), 1) / 60;
  // A series that is zero throughout gets a scale all the same.
  const highest = Math.max(...points.map(({ value }) => value)) || 1;
  const step = niceStep(highest / TICKS);
  const valueMax = step * Math.ceil(highest / step - 1e-9);
  const x = (minutes: number) => fixed(INSET.left + (minutes / minutesMax) * width);
  const y = (value: number) => fixed(INSET.top + height - (value / valueMax) * height);
  const bottom = INSET.top + height;
  const line = points.map(({ seconds, value }) => `${x(seconds / 60)},${y(value)}`).join(' ');
  return [
    `<text x="${INSET.left}" y="${INSET.top - 12}" font-size="13">${escaped(unit === '' ? title : `${title}, ${unit}`)}</text>`,
    `<rect x="${INSET.left}" y="${INSET.top}" width="${fixed((warmupSeconds / 60 / minutesMax) * width)}" height="${height}" fill="#eef1f5"/>`,
    ...ticks(valueMax, step).map(
      (value) =>
        `<line x1="${INSET.left}" x2="${INSET.left + width}" y1="${y(value)}" y2="${y(value)}" stroke="#d5d9de"/>` +
        `<text x="${INSET.left - 6}" y="${y(value) + 4}" text-anchor="end">${label(value)}</text>`,
    ),
    ...ticks(minutesMax, niceStep(minutesMax / TICKS)).map(
      (minutes) =>
        `<line x1="${x(minutes)}" x2="${x(minutes)}" y1="${bottom}" y2="${bottom + 4}" stroke="#8a9199"/>` +
        `<text x="${x(minutes)}" y="${bottom + 16}" text-anchor="middle">${label(minutes)}</text>`,
    ),
    `<text x="${INSET.left + width}" y="${bottom + 30}" text-anchor="end" fill="#6b7280">minutes</text>`,
    `<polyline points="${line}" fill="none" stroke="#1f6fb2" stroke-width="1.5" stroke-linejoin="round"/>`,
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten, the smallest that is not below. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((each) => each * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}

function ticks(max: number, step: number): number[] {
  return Array.from({ length: Math.floor(max / step + 1e-9) + 1 }, (_, index) => index * step);
}

function label(value: number): string {
  return Number(value.toPrecision(6)).toLocaleString('en-US', { maximumFractionDigits: 6 });
}

function fixed(value: number): number {
  return Math.round(value * 10) / 10;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
