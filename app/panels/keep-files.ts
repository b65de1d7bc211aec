// Exports of the page: a download from bytes or text, the metrics as CSV, and text for the clipboard.
import type { Curve, TestPoint } from '../protocol.ts';

/** Downloads a file. */
export function download(name: string, content: Uint8Array | string, type: string): void {
  const url = URL.createObjectURL(new Blob([content as BlobPart], { type }));
  const link = document.createElement('a');
  link.href = url;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Copies text, and returns a message about the result. */
export async function copied(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text); // throws without a secure context
    return 'Copied.';
  } catch {
    return 'The browser does not allow copying here; select the text instead.';
  }
}

/** One row for each recorded step, and for each evaluation on the test images. Numbers have full precision. */
export function csvOf(curve: Curve, tests: readonly TestPoint[]): string {
  const looked = new Map(tests.map((test) => [test.step, test]));
  const made = new Map(Array.from(curve.step, (step, i) => [step, i]));
  const steps = [...new Set([...made.keys(), ...looked.keys()])].sort((a, b) => a - b);
  const rows = steps.map((step) => {
    const [i, test] = [made.get(step) ?? -1, looked.get(step)];
    return [step, curve.loss[i] ?? '', curve.accuracy[i] ?? '', test?.loss ?? '', test?.accuracy ?? ''].join(',');
  });
  return `${['step,train_loss,train_accuracy,test_loss,test_accuracy', ...rows].join('\n')}\n`;
}
