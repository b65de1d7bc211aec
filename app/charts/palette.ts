// The page's colours for canvases: read from the CSS variables, so that light and dark have one source.

const read = new Map<string, string>();
const listeners = new Set<() => void>();
let watching = false;

/** The colour of a CSS variable (`blue` is `--blue`), or `name` itself if there is no such variable. */
export function colorOf(name: string): string {
  watch();
  let color = read.get(name);
  if (color === undefined) {
    color = /^[\w-]+$/.test(name)
      ? getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim() || name
      : name;
    read.set(name, color);
  }
  return color;
}

/** Red, green and blue, 0 to 255, of a colour that base.css writes as #rrggbb. */
export function rgbOf(name: string): readonly [number, number, number] {
  const hex = Number.parseInt(colorOf(name).slice(1), 16);
  return [(hex >> 16) & 255, (hex >> 8) & 255, hex & 255];
}

/** Calls back when the page switches between light and dark; returns a function that unsubscribes. */
export function onSchemeChange(callback: () => void): () => void {
  watch();
  listeners.add(callback);
  return () => listeners.delete(callback);
}

function watch(): void {
  if (watching) return;
  watching = true;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    read.clear();
    for (const listener of listeners) listener();
  });
}
