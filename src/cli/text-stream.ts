// Where the command line writes: standard output, standard error, and what stands for them in tests. And what may be written:
// text from files and devices must not move the cursor, colour or answer for the terminal.

/** Where text goes: what is used of a Node stream. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  on?(event: 'error', listener: (error: Error) => void): unknown;
}

/** All control characters but line feed and tab, and those that turn the direction of writing. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text in which control characters are shown as `\u001b`, so that a terminal does not obey them. In JSON it means the same. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
