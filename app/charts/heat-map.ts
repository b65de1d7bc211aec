// Numbers as colours, one pixel each: orange for minus, the page's own ground for nothing, blue for plus; or from nothing to
// blue. CSS makes the canvas as large as it should be.
import { rgbOf } from './palette.ts';

export interface HeatMap {
  readonly values: Float32Array;
  readonly width: number;
  readonly height: number;
  /** The value with the full colour; larger ones are clipped to it. */
  readonly scale: number;
  readonly palette: 'diverging' | 'sequential';
  readonly pixelated?: true;
}

/** Draws `values`, row by row from the top. Non-finite values are grey. */
export function drawHeatMap(canvas: HTMLCanvasElement, map: HeatMap): void {
  const { values, width, height, scale, palette } = map;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  if (map.pixelated) canvas.style.imageRendering = 'pixelated';
  const context = canvas.getContext('2d');
  if (!context) return;
  const image = context.createImageData(width, height);
  const paper = rgbOf('map-zero');
  const plus = rgbOf('blue');
  const minus = palette === 'diverging' ? rgbOf('orange') : paper;
  const grey = rgbOf('grey');
  for (let i = 0; i < width * height; i++) {
    const value = values[i]!;
    const part = scale > 0 ? Math.min(Math.abs(value) / scale, 1) : 0;
    const full = Number.isFinite(value) ? (value < 0 ? minus : plus) : grey;
    const amount = Number.isFinite(value) ? part : 1;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = paper[c]! + (full[c]! - paper[c]!) * amount;
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
