// The confusion matrix of the test images, the images behind each count, and the network's most confident mistakes.
import { useSignal, useSignalEffect } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import * as store from '../page/store.ts';
import type { Confusion, Example } from '../protocol.ts';
import { percent } from '../ui/format.ts';
import { Bars, Button } from '../ui/kit.tsx';
import { DigitPicture } from '../ui/picture.tsx';

const [CLASSES, SHOWN] = [10, 24];
const DIGITS = Array.from({ length: CLASSES }, (_, k) => k);

interface Cell {
  readonly label: number;
  readonly taken: number;
}

export function ConfusionMatrix({ confusion: { counts, step, size } }: { readonly confusion: Confusion }) {
  const shares = useSignal(false);
  const cell = useSignal<Cell | undefined>(undefined);
  const total = (row: readonly number[]) => row.reduce((sum, n) => sum + n, 0);
  const right = DIGITS.reduce((sum, k) => sum + (counts[k]?.[k] ?? 0), 0);
  const worst = Math.max(1, ...DIGITS.flatMap((r) => DIGITS.map((c) => (r === c ? 0 : (counts[r]?.[c] ?? 0)))));
  return (
    <>
      <p>
        After step {step}, {right} of {size} test images are right. Press a count to see the images behind it.
      </p>
      <Button pressed={shares.value} onClick={() => toggle(shares)}>
        In percent of the row
      </Button>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
      <section class="inside-scroll" tabIndex={0} aria-label="Confusion matrix">
        <table class="inside-confusion">
          <caption>Rows: actual digit. Columns: predicted digit. The outlined cells are correct.</caption>
          <thead>
            <tr>
              <td />
              {DIGITS.map((c) => (
                <th key={c} scope="col">
                  {c}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {DIGITS.map((r) => (
              <tr key={r}>
                <th scope="row">{r}</th>
                {DIGITS.map((c) => {
                  const n = counts[r]?.[c] ?? 0;
                  const strength = r === c ? 0 : Math.ceil((4 * n) / worst);
                  const text = shares.value ? ((100 * n) / Math.max(1, total(counts[r]!))).toFixed(1) : String(n);
                  return (
                    <td key={c} class={r === c ? 'inside-right' : `inside-wrong-${strength}`}>
                      <button
                        type="button"
                        aria-label={`${n} images of a ${r} taken for a ${c}`}
                        onClick={() => {
                          cell.value = { label: r, taken: c };
                        }}
                      >
                        {text}
                      </button>
                    </td>
                  );
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
      {cell.value && <Behind cell={cell.value} step={step} />}
    </>
  );
}

function toggle(value: { value: boolean }): void {
  value.value = !value.value;
}

/** The images behind a cell. */
function Behind({ cell, step }: { readonly cell: Cell; readonly step: number }) {
  const found = useSignal<{ readonly of: Cell; readonly examples: readonly Example[] } | undefined>(undefined);
  useEffect(() => {
    let current = true;
    void store
      .attempt(() => store.theEngine().call('examples', { ...cell, count: SHOWN }))
      .then((examples) => {
        if (current && examples) found.value = { of: cell, examples };
      });
    return () => {
      current = false;
    };
  }, [cell, step]);
  // The previous step's images stay until the current ones arrive.
  const examples = found.value?.of === cell ? found.value.examples : undefined;
  const title = cell.label === cell.taken ? `${cell.label}, rightly read` : `${cell.label} taken for ${cell.taken}`;
  return (
    <>
      <h3>{title}</h3>
      {!examples && <p>Looking for them.</p>}
      {examples?.length === 0 && <p>There are none.</p>}
      <ul class="inside-maps">
        {examples?.map((example) => (
          <li key={example.index}>
            <DigitPicture label={wordsOf(example)} pixels={example.pixels} />
            <span>
              no. {example.index}, {percent(Math.max(...example.probabilities))}
            </span>
          </li>
        ))}
      </ul>
    </>
  );
}

function takenFor({ probabilities }: Example): number {
  return probabilities.indexOf(Math.max(...probabilities));
}

function wordsOf(example: Example): string {
  const taken = takenFor(example);
  return `Test image ${example.index}: a ${example.label} taken for a ${taken}, ${percent(example.probabilities[taken])}`;
}

export function WorstExamples() {
  const found = useSignal<readonly Example[] | undefined>(undefined);
  const step = useSignal(0);
  const look = async () => {
    const at = store.run.peek()?.step ?? 0;
    found.value = await store.attempt(() => store.theEngine().call('examples', { count: 8 }));
    step.value = at;
  };
  useSignalEffect(() => {
    if (!store.network.value) return;
    found.value = undefined;
    void look();
  });
  return (
    <>
      <p>
        {found.value ? `After step ${step.value}: the` : 'Looking for the'} test images with the greatest loss, the
        worst first.
      </p>
      <Button onClick={() => void look()}>Look again</Button>
      {found.value?.length === 0 && <p>There is not one mistake.</p>}
      <ul class="inside-worst">
        {found.value?.map((example) => (
          <li key={example.index}>
            <DigitPicture label={wordsOf(example)} pixels={example.pixels} />
            <p>
              no. {example.index}: a {example.label}, loss {example.loss.toFixed(2)}
            </p>
            <Bars label={`What it could be, image ${example.index}`} items={likeliest(example)} />
          </li>
        ))}
      </ul>
    </>
  );
}

/** The three likeliest digits, and the right one. */
function likeliest({ probabilities, label }: Example) {
  const order = DIGITS.slice().sort((a, b) => probabilities[b]! - probabilities[a]!);
  const shown = [...new Set([...order.slice(0, 3), label])];
  return shown.map((digit) => ({
    label: String(digit),
    value: probabilities[digit]!,
    text: percent(probabilities[digit]),
    strong: digit === label,
  }));
}
