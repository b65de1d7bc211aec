// What the page gives away: a download from bytes or text, the metrics as CSV, and text to be pasted.
import type { Curve, TestPoint } from '../protocol.ts';

/** Hands a file to the browser's downloads. */
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

/** Copies text, and says how that went. */
export async function copied(text: string): Promise<string> {
  try {
    await navigator.clipboard.writeText(text); // There is none if the page is not in a secure context.
    return 'Copied.';
  } catch {
    return 'The browser does not allow copying here; select the text instead.';
  }
}

/** One row for each step that is known, and for each look at the test images. Numbers have all their digits. */
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
