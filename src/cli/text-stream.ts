// Where the command line writes: standard output, standard error, and what stands for them in tests.

/** Where text goes: what is used of a Node stream. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
  on?(event: 'error', listener: (error: Error) => void): unknown;
}
