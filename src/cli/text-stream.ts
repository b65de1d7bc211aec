// Where the command line writes: standard output, standard error, and their stand-ins in tests. Text from files and devices must not send
// control sequences to the terminal.

/** A text sink: the part of a Node stream that is used. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  on?(event: 'error', listener: (error: Error) => void): unknown;
}

/** All control characters except line feed and tab, and those that change the text direction. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the pattern is meant to match them
const CONTROLS = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** Text with control characters escaped as `\u001b`, so that a terminal does not interpret them. JSON keeps its meaning. */
export function printable(text: string): string {
  return text.replace(CONTROLS, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
