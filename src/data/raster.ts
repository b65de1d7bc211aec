// A decoded image on its way into a data set: from RGBA to the set's channels, and from its size to the set's.
import { resample } from './resample.ts';

/** The pixels of an image, (height, width, channels). */
export interface Raster {
  readonly height: number;
  readonly width: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

/** 1: grey, 3: RGB, 4: RGBA. */
export type Channels = 1 | 3 | 4;

/** Height and width. */
export type ImageSize = readonly [height: number, width: number];

/** How an image becomes as large as the examples: `crop` keeps its proportions. */
export type Fit = 'crop' | 'stretch';

/** RGBA as other channels. Without an alpha channel, transparent parts become white. */
export function withChannels({ height, width, data }: Raster, channels: Channels): Raster {
  if (channels === 4) return { height, width, data };
  const pixels = height * width;
  const out = new Uint8Array(pixels * channels);
  for (let i = 0; i < pixels; i++) {
    const [r, g, b] = [onWhite(data, 4 * i), onWhite(data, 4 * i + 1), onWhite(data, 4 * i + 2)];
    if (channels === 1) out[i] = luma(r, g, b);
    else {
      out[3 * i] = r;
      out[3 * i + 1] = g;
      out[3 * i + 2] = b;
    }
  }
  return { height, width, data: out };
}

/** The byte at `at` of RGBA, drawn over white. */
function onWhite(data: Raster['data'], at: number): number {
  const alpha = data[at | 3]!;
  return alpha === 255 ? data[at]! : Math.round((data[at]! * alpha + 255 * (255 - alpha)) / 255);
}

/** The grey of a colour: ITU-R BT.601, in the fixed-point numbers of Pillow's convert('L'), so that the bytes are the same. */
function luma(r: number, g: number, b: number): number {
  return (r * 19595 + g * 38470 + b * 7471 + 0x8000) >> 16;
}

/**
 * The image in another size. `crop`: resized until it covers `size`, then cropped at its centre, as torchvision's Resize and CenterCrop;
 * `stretch`: resized to `size`.
 */
export function fitted({ height, width, data }: Raster, channels: Channels, [H, W]: ImageSize, fit: Fit): Raster {
  if (height === H && width === W) return { height, width, data };
  // The scaled height and width, of which H rows and W columns are kept.
  const [tall, wide] = fit === 'stretch' ? [H, W] : covering(height, width, [H, W]);
  const rows = { from: height, to: tall, first: halfEven(tall - H), count: H };
  const columns = { from: width, to: wide, first: halfEven(wide - W), count: W };
  return { height: H, width: W, data: resample(data, channels, rows, columns) };
}

/** The smallest size of the same proportions that covers another. */
function covering(height: number, width: number, [H, W]: ImageSize): ImageSize {
  return H * width >= W * height ? [H, Math.floor((width * H) / height)] : [Math.floor((height * W) / width), W];
}

/** Half of a whole number; halves are rounded to even numbers, as in Python. */
function halfEven(n: number): number {
  return Math.floor(n / 2) + (n % 4 === 3 ? 1 : 0);
}
