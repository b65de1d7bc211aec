// Small pictures of numbers: a heat map or a 28 x 28 digit on a canvas, redrawn when the colour scheme changes.
import { useEffect, useRef } from 'preact/hooks';
import { drawHeatMap, type HeatMap } from '../charts/heat-map.ts';
import { onSchemeChange } from '../charts/palette.ts';
import { paintPicture } from '../draw/paint.ts';
import { timed } from '../page/timing.ts';

interface CanvasProps {
  readonly label: string;
  readonly class: string;
  readonly paint: (canvas: HTMLCanvasElement) => void;
}

function Picture({ label, class: name, paint }: CanvasProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const draw = () => {
      if (canvas.current) timed('picture', () => paint(canvas.current!));
    };
    draw();
    return onSchemeChange(draw);
  });
  return <canvas ref={canvas} class={name} role="img" aria-label={label} />;
}

/** Numbers as colours. */
export function HeatPicture({ label, ...map }: HeatMap & { readonly label: string }) {
  return (
    <Picture label={label} class="heat-picture" paint={(canvas) => drawHeatMap(canvas, { ...map, pixelated: true })} />
  );
}

/** A digit of 28 x 28, 0 to 255. */
export function DigitPicture({ label, pixels }: { readonly label: string; readonly pixels: ArrayLike<number> }) {
  return <Picture label={label} class="digit-picture" paint={(canvas) => paintPicture(canvas, pixels)} />;
}
