// Strokes normalised like MNIST's digits: scaled into a box of 20 x 20 with proportions kept, and placed in 28 x 28 with the centre of
// mass in the middle (LeCun, Cortes, Burges, "The MNIST database of handwritten digits").

/** A point on the pad; the pad's sides are 1. */
export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The points of one stroke of the pen. A single point is a dot. */
export type Stroke = readonly Point[];

/** Half the pen's width on the pad. */
export const PEN = 0.045;
const [SIDE, BOX] = [28, 20];
/** Half of the pen's width in pixels of the box, whatever the drawing's size: MNIST's lines are two to three pixels wide. */
const [THINNEST, THICKEST] = [0.9, 1.5];
/** Samples along each side of a pixel. */
const FINE = 3;

/** 784 numbers from 0 to 255, row by row; undefined if nothing is drawn. */
export function normalise(strokes: readonly Stroke[]): Float32Array | undefined {
  const points = strokes.flat();
  if (points.length === 0) return undefined;
  const scaled = intoBox(strokes, points);
  const drawn = render(scaled.strokes, scaled.pen);
  return centred(drawn);
}

/** The strokes in pixels of a 28 x 28 picture, in the box of 20 x 20 in its middle, and half the pen's width there. */
function intoBox(strokes: readonly Stroke[], points: Stroke): { strokes: Stroke[]; pen: number } {
  const least = (pick: (point: Point) => number) => points.reduce((found, p) => Math.min(found, pick(p)), Infinity);
  const [left, top] = [least(({ x }) => x) - PEN, least(({ y }) => y) - PEN];
  const [width, height] = [PEN - least(({ x }) => -x) - left, PEN - least(({ y }) => -y) - top];
  const pen = Math.min(Math.max((PEN * BOX) / Math.max(width, height), THINNEST), THICKEST);
  // The centre of the lines may be as near to the edge of the box as the pen's width there allows.
  const scale = (BOX - 2 * pen) / Math.max(width - 2 * PEN, height - 2 * PEN, 2 * PEN);
  const place = ({ x, y }: Point): Point => ({
    x: SIDE / 2 + (x - left - width / 2) * scale,
    y: SIDE / 2 + (y - top - height / 2) * scale,
  });
  return { strokes: strokes.map((stroke) => stroke.map(place)), pen };
}

/** How much of each pixel the pen covered, 0 to 1. */
function render(strokes: readonly Stroke[], pen: number): Float32Array {
  const samples = new Uint8Array((SIDE * FINE) ** 2);
  for (const stroke of strokes) {
    let from = stroke[0]!;
    for (const to of stroke) {
      cover(samples, from, to, pen);
      from = to;
    }
  }
  const picture = new Float32Array(SIDE * SIDE);
  for (const [at, covered] of samples.entries()) {
    const [x, y] = [at % (SIDE * FINE), Math.floor(at / (SIDE * FINE))];
    picture[Math.floor(y / FINE) * SIDE + Math.floor(x / FINE)]! += covered / FINE ** 2;
  }
  return picture;
}

/** Marks the samples that a line touches, checking only those near it, since a drawing may have thousands of points. */
function cover(samples: Uint8Array, a: Point, b: Point, pen: number): void {
  const side = SIDE * FINE;
  const place = (sample: number) => (sample + 0.5) / FINE;
  const reach = (from: number, to: number): [number, number] => [
    Math.max(0, Math.floor((Math.min(from, to) - pen) * FINE) - 1),
    Math.min(side - 1, Math.ceil((Math.max(from, to) + pen) * FINE)),
  ];
  const [left, right] = reach(a.x, b.x);
  const [top, bottom] = reach(a.y, b.y);
  for (let y = top; y <= bottom; y++)
    for (let x = left; x <= right; x++) if (distance(a, b, place(x), place(y)) <= pen) samples[y * side + x] = 1;
}

/** The distance from (x, y) to the line between two points. */
function distance(a: Point, b: Point, x: number, y: number): number {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  const along = length > 0 ? Math.min(Math.max(((x - a.x) * dx + (y - a.y) * dy) / length, 0), 1) : 0;
  return Math.hypot(x - a.x - along * dx, y - a.y - along * dy);
}

/** The picture moved by whole pixels so that its centre of mass is in the middle, from 0 to 255. */
function centred(picture: Float32Array): Float32Array {
  let [mass, mx, my] = [0, 0, 0];
  for (const [i, value] of picture.entries()) {
    mass += value;
    mx += value * ((i % SIDE) + 0.5);
    my += value * (Math.floor(i / SIDE) + 0.5);
  }
  const [right, down] = [Math.round(SIDE / 2 - mx / mass), Math.round(SIDE / 2 - my / mass)];
  const moved = new Float32Array(SIDE * SIDE);
  for (const [i, value] of picture.entries()) {
    const [x, y] = [(i % SIDE) + right, Math.floor(i / SIDE) + down];
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) moved[y * SIDE + x] = Math.round(255 * value);
  }
  return moved;
}
