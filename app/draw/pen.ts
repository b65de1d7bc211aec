// The pen on the pad: strokes by pointer (pen, touch, mouse) and by keyboard (arrows move it, space puts it down and lifts it).
import type { Point, Stroke } from './normalise.ts';

/** The distance that an arrow key moves the pen, without and with shift. */
const [NEAR, FAR] = [0.04, 0.12];

const ARROWS: Readonly<Record<string, readonly [number, number]>> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

export const clamp = (v: number) => Math.min(Math.max(v, 0), 1);

export class Pen {
  strokes: Stroke[] = [];
  /** The position of the keyboard's pen while it is in use. */
  cursor: Point | undefined;
  #current: Point[] | undefined;
  readonly #changed: () => void;

  constructor(changed: () => void) {
    this.#changed = changed;
  }

  get down(): boolean {
    return this.#current !== undefined;
  }

  /** All strokes, including the current one. */
  get all(): readonly Stroke[] {
    return this.#current ? [...this.strokes, this.#current] : this.strokes;
  }

  /** Starts a stroke; an unfinished one is kept. */
  press(point: Point): void {
    if (this.#current) this.lift();
    this.#current = [point];
    this.#changed();
  }

  /** Continues the stroke through these points, if the pen is down. */
  move(points: readonly Point[]): void {
    if (!this.#current) return;
    this.#current.push(...points);
    this.#changed();
  }

  lift(): void {
    if (this.#current) this.strokes = [...this.strokes, this.#current];
    this.#current = undefined;
    this.#changed();
  }

  undo(): void {
    if (!this.#current) this.strokes = this.strokes.slice(0, -1);
    this.#current = undefined;
    this.#changed();
  }

  clear(): void {
    this.#current = undefined;
    this.strokes = [];
    this.#changed();
  }

  /** Handles a key; returns whether it has a meaning here. */
  key({ key, shiftKey }: Pick<KeyboardEvent, 'key' | 'shiftKey'>): boolean {
    const arrow = ARROWS[key];
    const at = this.cursor ?? { x: 0.5, y: 0.15 };
    if (arrow) {
      const far = shiftKey ? FAR : NEAR;
      this.cursor = { x: clamp(at.x + far * arrow[0]), y: clamp(at.y + far * arrow[1]) };
      if (this.down) this.move([this.cursor]);
      else this.#changed();
      return true;
    }
    if (key !== ' ') return false;
    this.cursor = at;
    if (this.down) this.lift();
    else this.press(at);
    return true;
  }
}
