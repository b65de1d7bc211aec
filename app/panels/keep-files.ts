// Files that the page gives: a download from bytes or text, and the metrics as CSV.
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

/** One row a step, with the test images' figures in the rows where they were looked at. Numbers have all their digits. */
export function csvOf(curve: Curve, tests: readonly TestPoint[]): string {
  const looked = new Map(tests.map((test) => [test.step, test]));
  const rows = ['step,train_loss,train_accuracy,test_loss,test_accuracy'];
  curve.step.forEach((step, i) => {
    const test = looked.get(step);
    rows.push([step, curve.loss[i], curve.accuracy[i], test?.loss ?? '', test?.accuracy ?? ''].join(','));
  });
  return `${rows.join('\n')}\n`;
}
