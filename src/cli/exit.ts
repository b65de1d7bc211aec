// Exit codes: one table, used, documented and tested from here.
import { DeviceError, DivergenceError, OptionError } from '../graph/errors.ts';

/** What the process's exit code means. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  noDevice: 3,
  missedTarget: 4,
  diverged: 5,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const MEANINGS: Readonly<Record<ExitCode, string>> = {
  0: 'done',
  1: 'failed: a problem with a file, data or anything else; the message says which',
  2: 'usage: an unknown command, flag or value',
  3: 'no usable device',
  4: 'the target accuracy was not reached, a gradient check failed, or a benchmarked kernel gave a wrong result',
  5: 'training diverged; the weights are from before the bad step',
  130: 'interrupted (Ctrl-C, SIGTERM, SIGHUP); a checkpoint was written if there was a folder for it',
};

/** The table for `--help`. */
export function exitCodesText(): string {
  const lines = Object.entries(MEANINGS).map(([code, meaning]) => `  ${code.padStart(3)}  ${meaning}`);
  return `Exit codes:\n${lines.join('\n')}`;
}

/** The exit code for a thrown value. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof OptionError) return EXIT.usage;
  if (error instanceof DeviceError) return EXIT.noDevice;
  if (error instanceof DivergenceError) return EXIT.diverged;
  if (!(error instanceof Error)) return EXIT.failed;
  if (error.name === 'AbortError') return EXIT.interrupted;
  // commander throws for a bad flag, and also to end after --help and --version.
  if ('code' in error && typeof error.code === 'string' && error.code.startsWith('commander.')) {
    return 'exitCode' in error && error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  return EXIT.failed;
}
