// Draws one handwritten-like digit: a mixture of skeletons, bent (slant, rotation, aspect, taper, a smooth elastic field),
// fitted into MNIST's 20x20 box, inked by the distance to the stroke, and centred by its centre of mass in 28x28.
// Only sums, products, quotients and square roots, which every engine rounds alike, so the bits are the same everywhere.
import type { Random } from './random.ts';
import { type Family, SKELETONS } from './skeletons.ts';

/** Width and height of an image. */
export const IMAGE_SIZE = 28;
const BOX = 20;
const PIECES = 4; // straight pieces per span of a curve
const MAX_POINTS = 128;
const GRID = 5; // nodes of the elastic field per axis
const FAR = 1e9;

/** How freely the hand moves; lengths are fractions of the digit's height unless noted. */
const HABITS = {
  jitter: 0.044,
  strokeShift: 0.03,
  elastic: 0.16,
  rotation: 0.12, // radians
  slant: 0.08,
  slantSpread: 0.25,
  aspect: 0.92,
  aspectSpread: 0.2,
  bulge: 0.07, // the upper half larger or smaller than the lower
  taper: 0.16, // the top wider or narrower than the foot
  penRadius: 1.2, // pixels
  penSpread: 0.36,
  pressure: 0.17, // change of the pen's radius along a stroke
} as const;

interface Skeleton {
  readonly share: number;
  readonly lean: number;
  readonly keys: readonly Float64Array[]; // x, y, x, y, ... of every key
  readonly ends: readonly number[]; // one past each stroke's last point
  readonly corner: readonly boolean[];
}

let skeletons: readonly (readonly Skeleton[])[] | undefined;

function parse(family: Family): Skeleton {
  const strokes = family.keys[0]!.split('/').map((stroke) => stroke.trim().split(/\s+/));
  const ends: number[] = [];
  for (const stroke of strokes) ends.push((ends.at(-1) ?? 0) + stroke.length);
  const keys = family.keys.map((key) => Float64Array.from(key.match(/\d+/g)!, (digits) => Number(digits) / 100));
  return {
    share: family.share,
    lean: family.lean ?? 0,
    keys,
    ends,
    corner: strokes.flat().map((p) => p.endsWith('!')),
  };
}

/** Draws digits, one after another, with its own buffers. */
export class Hand {
  readonly #control = new Float64Array(2 * MAX_POINTS);
  readonly #x = new Float64Array(MAX_POINTS);
  readonly #y = new Float64Array(MAX_POINTS);
  readonly #radius = new Float64Array(MAX_POINTS);
  readonly #penDown = new Uint8Array(MAX_POINTS); // 1: joined to the point before
  #points = 0;
  readonly #field = new Float64Array(2 * GRID * GRID);
  readonly #distance = new Float64Array(BOX * BOX);
  readonly #ink = new Uint8Array(BOX * BOX);

  /** Writes one 28x28 image of the digit `label` into `out` from `offset`; it must hold zeros there. */
  draw(random: Random, label: number, out: Uint8Array, offset: number): void {
    skeletons ??= SKELETONS.map((families) => families.map(parse));
    const skeleton = choose(skeletons[label]!, random);
    this.#sketch(skeleton, random);
    this.#curve(skeleton, random);
    this.#bend(skeleton, random);
    this.#fit(random);
    this.#inkStrokes(random.uniform(1, 1.5));
    this.#centre(out, offset);
  }

  /** A random mixture of the family's keys, each point a little off. */
  #sketch({ keys, ends }: Skeleton, random: Random): void {
    const control = this.#control;
    control.fill(0);
    const weights = keys.map(() => mixtureWeight(random.uniform()));
    const total = weights.reduce((a, b) => a + b, 0);
    for (const [k, key] of keys.entries()) {
      for (let i = 0; i < key.length; i++) control[i]! += (key[i]! * weights[k]!) / total;
    }
    let point = 0;
    for (const [stroke, end] of ends.entries()) {
      const shift = stroke === 0 ? 0 : HABITS.strokeShift;
      const dx = shift * random.normal();
      const dy = shift * random.normal();
      for (; point < end; point++) {
        control[2 * point]! += dx + HABITS.jitter * random.normal();
        control[2 * point + 1]! += dy + HABITS.jitter * random.normal();
      }
    }
  }

  /** The curve through the control points (Catmull-Rom, cut at corners) as straight pieces, with the pen's pressure along it. */
  #curve({ ends, corner }: Skeleton, random: Random): void {
    const control = this.#control;
    this.#points = 0;
    let start = 0;
    for (const end of ends) {
      const from = 1 + HABITS.pressure * random.normal();
      const to = 1 + HABITS.pressure * random.normal();
      const spans = end - start - 1;
      for (let i = start; i < end - 1; i++) {
        const a = i > start && !corner[i] ? i - 1 : i;
        const d = i + 2 < end && !corner[i + 1] ? i + 2 : i + 1;
        for (let piece = i === start ? 0 : 1; piece <= PIECES; piece++) {
          const t = piece / PIECES;
          const n = this.#points++;
          this.#x[n] = catmullRom(control[2 * a]!, control[2 * i]!, control[2 * i + 2]!, control[2 * d]!, t);
          this.#y[n] = catmullRom(
            control[2 * a + 1]!,
            control[2 * i + 1]!,
            control[2 * i + 3]!,
            control[2 * d + 1]!,
            t,
          );
          this.#radius[n] = from + ((to - from) * (i - start + t)) / spans;
          this.#penDown[n] = i === start && piece === 0 ? 0 : 1;
        }
      }
      start = end;
    }
  }

  /** Elastic field, bulge, taper, aspect, slant and rotation, in this order. */
  #bend({ lean }: Skeleton, random: Random): void {
    const field = this.#field;
    for (let i = 0; i < field.length; i++) field[i] = HABITS.elastic * random.normal();
    const bulge = HABITS.bulge * random.normal();
    const taper = HABITS.taper * random.normal();
    const aspect = Math.max(0.35, HABITS.aspect + HABITS.aspectSpread * random.normal());
    const slant = HABITS.slant + HABITS.slantSpread * random.normal() + random.uniform(0, lean);
    const angle = HABITS.rotation * random.normal();
    const sine = angle * (1 - (angle * angle) / 6);
    const cosine = 1 - (angle * angle) / 2 + (angle * angle * angle * angle) / 24;
    for (let n = 0; n < this.#points; n++) {
      const x0 = this.#x[n]!;
      const y0 = this.#y[n]!;
      let y = y0 + elastic(field, GRID * GRID, x0, y0) - 0.5;
      let x = x0 + elastic(field, 0, x0, y0) - 0.5;
      x *= aspect * (1 + taper * 2 * y);
      y += bulge * (1 - 4 * y * y);
      x -= slant * y;
      this.#x[n] = cosine * x - sine * y;
      this.#y[n] = sine * x + cosine * y;
    }
  }

  /** Scales and moves the strokes, pen included, so that the longer side fills the 20 pixels. */
  #fit(random: Random): void {
    const pen = Math.min(2.3, Math.max(0.62, HABITS.penRadius + HABITS.penSpread * random.normal()));
    let left = FAR;
    let right = -FAR;
    let top = FAR;
    let bottom = -FAR;
    for (let n = 0; n < this.#points; n++) {
      left = Math.min(left, this.#x[n]!);
      right = Math.max(right, this.#x[n]!);
      top = Math.min(top, this.#y[n]!);
      bottom = Math.max(bottom, this.#y[n]!);
    }
    const scale = (BOX - 2 * pen) / Math.max(right - left, bottom - top);
    for (let n = 0; n < this.#points; n++) {
      this.#x[n] = (this.#x[n]! - (left + right) / 2) * scale + BOX / 2;
      this.#y[n] = (this.#y[n]! - (top + bottom) / 2) * scale + BOX / 2;
      this.#radius[n]! *= pen;
    }
  }

  /** Ink from the distance to the nearest stroke's edge, fading over `softness` pixels. */
  #inkStrokes(softness: number): void {
    const distance = this.#distance;
    distance.fill(FAR);
    for (let n = 1; n < this.#points; n++) {
      if (this.#penDown[n]) this.#piece(n, softness);
    }
    for (let i = 0; i < distance.length; i++) {
      const cover = 0.5 - distance[i]! / softness;
      this.#ink[i] = cover <= 0 ? 0 : cover >= 1 ? 255 : Math.round(255 * cover);
    }
  }

  /** Lowers the distances around the straight piece from point n - 1 to point n. */
  #piece(n: number, softness: number): void {
    const distance = this.#distance;
    const ax = this.#x[n - 1]! - 0.5; // pixel centres are at .5
    const ay = this.#y[n - 1]! - 0.5;
    const ux = this.#x[n]! - 0.5 - ax;
    const uy = this.#y[n]! - 0.5 - ay;
    const ra = this.#radius[n - 1]!;
    const rb = this.#radius[n]!;
    const reach = Math.max(ra, rb) + softness / 2;
    const inverse = 1 / Math.max(1e-9, ux * ux + uy * uy);
    const left = Math.max(0, Math.ceil(Math.min(ax, ax + ux) - reach));
    const right = Math.min(BOX - 1, Math.floor(Math.max(ax, ax + ux) + reach));
    const top = Math.max(0, Math.ceil(Math.min(ay, ay + uy) - reach));
    const bottom = Math.min(BOX - 1, Math.floor(Math.max(ay, ay + uy) + reach));
    for (let row = top; row <= bottom; row++) {
      const py = row - ay;
      for (let column = left; column <= right; column++) {
        const px = column - ax;
        const along = (px * ux + py * uy) * inverse;
        const t = Math.max(0, Math.min(1, along));
        const dx = px - t * ux;
        const dy = py - t * uy;
        const edge = Math.sqrt(dx * dx + dy * dy) - ra - t * (rb - ra);
        const i = row * BOX + column;
        if (edge < distance[i]!) distance[i] = edge;
      }
    }
  }

  /** Moves the box so that the ink's centre of mass is the image's centre, to the nearest pixel. */
  #centre(out: Uint8Array, offset: number): void {
    const ink = this.#ink;
    let mass = 0;
    let mx = 0;
    let my = 0;
    for (let i = 0; i < ink.length; i++) {
      mass += ink[i]!;
      mx += ink[i]! * (i % BOX);
      my += ink[i]! * Math.floor(i / BOX);
    }
    const middle = IMAGE_SIZE / 2; // as in MNIST: half a pixel right of and below the middle
    const room = IMAGE_SIZE - BOX;
    const dx = Math.min(room, Math.max(0, Math.round(middle - mx / mass)));
    const dy = Math.min(room, Math.max(0, Math.round(middle - my / mass)));
    for (let row = 0; row < BOX; row++) {
      out.set(ink.subarray(row * BOX, (row + 1) * BOX), offset + (row + dy) * IMAGE_SIZE + dx);
    }
  }
}

function choose(families: readonly Skeleton[], random: Random): Skeleton {
  let rest = random.uniform(0, 100);
  for (const family of families) {
    rest -= family.share;
    if (rest < 0) return family;
  }
  return families[0]!;
}

/** The sixth power: one or two keys prevail. (Products, since `**` may differ between engines in its last bit.) */
function mixtureWeight(u: number): number {
  const square = u * u;
  return square * square * square + 1e-9;
}

function catmullRom(a: number, b: number, c: number, d: number, t: number): number {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/** A cubic B-spline field over [-0.25, 1.25] squared with GRID nodes per axis, at (x, y). */
function elastic(field: Float64Array, offset: number, x: number, y: number): number {
  const cells = GRID - 3;
  const u = Math.min(cells - 1e-9, Math.max(0, ((x + 0.25) / 1.5) * cells));
  const v = Math.min(cells - 1e-9, Math.max(0, ((y + 0.25) / 1.5) * cells));
  const column = Math.floor(u);
  const row = Math.floor(v);
  const s = u - column;
  const t = v - row;
  let sum = 0;
  for (let j = 0; j < 4; j++) {
    const at = offset + (row + j) * GRID + column;
    sum +=
      spline(j, t) *
      (spline(0, s) * field[at]! +
        spline(1, s) * field[at + 1]! +
        spline(2, s) * field[at + 2]! +
        spline(3, s) * field[at + 3]!);
  }
  return sum;
}

/** The four weights of a uniform cubic B-spline. */
function spline(k: number, t: number): number {
  const r = 1 - t;
  if (k === 0) return (r * r * r) / 6;
  if (k === 1) return (3 * t * t * t - 6 * t * t + 4) / 6;
  if (k === 2) return (3 * r * r * r - 6 * r * r + 4) / 6;
  return (t * t * t) / 6;
}
