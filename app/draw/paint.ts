// Painting of the pad: the strokes as drawn, and the keyboard's pen.
import { colorOf, rgbOf } from '../charts/palette.ts';
import { PEN, type Point, type Stroke } from './normalise.ts';

/** Paints the pad. */
export function paintPad(
  canvas: HTMLCanvasElement,
  strokes: readonly Stroke[],
  cursor: Point | undefined,
  down: boolean,
) {
  const context = canvas.getContext('2d');
  if (!context) return;
  const side = canvas.width;
  context.clearRect(0, 0, side, side);
  context.strokeStyle = colorOf('ink');
  context.lineWidth = 2 * PEN * side;
  context.lineCap = 'round';
  context.lineJoin = 'round';
  for (const stroke of strokes) {
    context.beginPath();
    context.moveTo(stroke[0]!.x * side, stroke[0]!.y * side);
    for (const { x, y } of stroke) context.lineTo(x * side, y * side);
    context.stroke();
  }
  if (!cursor) return;
  context.lineWidth = side / 100;
  context.strokeStyle = colorOf(down ? 'orange' : 'blue');
  context.beginPath();
  context.arc(cursor.x * side, cursor.y * side, 1.4 * PEN * side, 0, 2 * Math.PI);
  context.stroke();
}

/** Paints a 28 x 28 picture, 0 to 255, dark on light or light on dark as the scheme has it. */
export function paintPicture(canvas: HTMLCanvasElement, pixels: ArrayLike<number> | undefined): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  [canvas.width, canvas.height] = [28, 28];
  context.clearRect(0, 0, 28, 28);
  if (!pixels) return;
  const ink = rgbOf('ink');
  const image = context.createImageData(28, 28);
  for (let i = 0; i < 784; i++) image.data.set([...ink, pixels[i]!], 4 * i);
  context.putImageData(image, 0, 0);
}
