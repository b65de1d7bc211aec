// The frame of a picture of what was found: two logarithmic axes with round ticks, a title, and what it was measured on.
import { logTicks, tickText } from '../src/cli/plot-data.ts';
import { cut, opening, px, text } from '../src/cli/svg.ts';

const WIDTH = 760;
const HEIGHT = 476;
/** Where its axes lie. */
export const PLOT = { left: 76, right: WIDTH - 64, top: 76, bottom: HEIGHT - 94 };

/** From values to pixels. */
export type Scale = (value: number) => number;

/** From values to pixels, logarithmically; the ends lie a little beyond the values. */
function logAxis(values: readonly number[], from: number, to: number) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = Math.max(1.15, (high / low) ** 0.06);
  const [min, max] = [low / margin, high * margin];
  const at = (value: number) => from + (Math.log(value / min) / Math.log(max / min)) * (to - from);
  return { min, max, at };
}

export interface Frame {
  readonly title: string;
  /** What it was measured on, and how it is read. */
  readonly captions: readonly string[];
  readonly description: string;
  readonly xLabel: string;
  readonly yLabel: string;
  readonly xs: readonly number[];
  readonly ys: readonly number[];
  /** Where x is labelled; round numbers unless said. */
  readonly xTicks?: readonly number[];
  /** Behind each number of y. */
  readonly yUnit?: string;
  /** Rules for classes of its own. */
  readonly style?: string;
}

/** A picture with axes, and what `draw` puts between them. */
export function picture(frame: Frame, draw: (x: Scale, y: Scale) => string[]): string {
  const x = logAxis(frame.xs, PLOT.left, PLOT.right);
  const y = logAxis(frame.ys, PLOT.bottom, PLOT.top);
  const { title, captions, description, style, yUnit = '' } = frame;
  const middle = (PLOT.top + PLOT.bottom) / 2;
  const centre = 'text-anchor="middle"';
  const parts = [
    opening({ width: WIDTH, height: HEIGHT, title, description: [description, ...captions].join(' '), style }),
    text(PLOT.left, 32, cut(title, 72), 'tw-text', 'font-size="18" font-weight="600"'),
    ...logTicks(y.min, y.max, 7).flatMap((tick) => [
      `<path class="tw-grid" d="M${PLOT.left} ${px(y.at(tick))}H${PLOT.right}"/>`,
      text(
        PLOT.left - 10,
        Number(px(y.at(tick))) + 4.5,
        `${tickText(tick, tick)}${yUnit}`,
        'tw-muted',
        'text-anchor="end"',
      ),
    ]),
    ...(frame.xTicks ?? logTicks(x.min, x.max, 8)).flatMap((tick) => [
      `<path class="tw-axis" d="M${px(x.at(tick))} ${PLOT.bottom}v5"/>`,
      text(px(x.at(tick)), PLOT.bottom + 20, tickText(tick, tick), 'tw-muted', centre),
    ]),
    `<path class="tw-axis" d="M${PLOT.left} ${PLOT.bottom}H${PLOT.right}"/>`,
    text((PLOT.left + PLOT.right) / 2, PLOT.bottom + 40, frame.xLabel, 'tw-muted', centre),
    text(20, middle, frame.yLabel, 'tw-muted', `${centre} transform="rotate(-90 20 ${middle})"`),
    ...draw(x.at, y.at),
    ...captions.map((line, k) =>
      text(PLOT.left, HEIGHT - 18 * (captions.length - k), cut(line, 110), 'tw-muted', 'font-size="12"'),
    ),
    '</svg>',
  ];
  return `${parts.filter((part) => part !== '').join('\n')}\n`;
}
