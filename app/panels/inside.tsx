// Look inside: weights, activations, gradients and mistakes, requested only while they are visible.
import { type ReadonlySignal, type Signal, useComputed, useSignal, useSignalEffect } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import * as store from '../page/store.ts';
import type { Confusion, Inside } from '../protocol.ts';
import { newest } from '../teach/newest.ts';
import { Button, Panel } from '../ui/kit.tsx';
import { Activations } from './inside-activations.tsx';
import { ConfusionMatrix, WorstExamples } from './inside-confusion.tsx';
import { Gradients } from './inside-gradients.tsx';
import { Weights } from './inside-weights.tsx';
import '../styles/inside.css';

/** Milliseconds between requests during training. */
const AGAIN = 1500;

/** Requests when the section opens, when the network is replaced, and repeatedly during training while the section is visible. */
function useLook<T>(open: ReadonlySignal<boolean>, found: Signal<T | undefined>, ask: () => Promise<T>): () => void {
  const seen = useRef(-1);
  const look = useMemo(
    () =>
      newest<void>(async () => {
        if (!open.peek() || !store.ready.peek()) return;
        const step = store.run.peek()?.step ?? 0;
        try {
          found.value = await ask();
          seen.current = step;
        } catch {
          // The network was replaced meanwhile; the next request uses the new one.
        }
      }),
    [],
  );
  useSignalEffect(() => {
    if (!store.network.value) return;
    found.value = undefined;
    look();
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (document.visibilityState === 'visible' && store.run.value?.step !== seen.current) look();
    }, AGAIN);
    return () => clearInterval(timer);
  }, []);
  return look;
}

interface SectionProps {
  readonly title: string;
  readonly open: Signal<boolean>;
  readonly onOpen: () => void;
  readonly children: ComponentChildren;
}

/** A section that costs nothing while closed. */
function Section({ title, open, onOpen, children }: SectionProps) {
  return (
    <details
      class="details inside-section"
      open={open.value}
      onToggle={(event) => {
        open.value = event.currentTarget.open;
        if (open.value) onOpen();
      }}
    >
      <summary>{title}</summary>
      {open.value && <div class="inside-body">{children}</div>}
    </details>
  );
}

export function InsidePanel() {
  return (
    <Panel
      id="inside"
      title="Look inside"
      lead="What the network has learned so far, layer by layer, and which digits it still confuses."
    >
      <InsideNetwork />
      <Mistakes />
    </Panel>
  );
}

function InsideNetwork() {
  const inside = useSignal<Inside | undefined>(undefined);
  const [weights, activations, gradients] = [useSignal(false), useSignal(false), useSignal(false)];
  const any = useComputed(() => weights.value || activations.value || gradients.value);
  const look = useLook(any, inside, () => store.theEngine().call('inside', { pixels: store.drawing.value }));
  const drawing = store.drawing.value;
  useEffect(() => {
    if (activations.value) look();
  }, [drawing]);
  const found = inside.value;
  const waiting = <p>Looking.</p>;
  return (
    <>
      <Section title="First-layer weights" open={weights} onOpen={look}>
        {found ? <Weights inside={found} /> : waiting}
      </Section>
      <Section title="Activations of your digit" open={activations} onOpen={look}>
        {found ? <Activations inside={found} drawn={drawing !== undefined} /> : waiting}
      </Section>
      <Section title="Gradients: which weights matter most now" open={gradients} onOpen={look}>
        {found ? <Gradients inside={found} /> : waiting}
      </Section>
    </>
  );
}

function Mistakes() {
  const confusion = useSignal<Confusion | undefined>(undefined);
  const [open, worst] = [useSignal(false), useSignal(false)];
  const look = useLook(open, confusion, () => store.theEngine().call('confusion', {}));
  return (
    <>
      <Section title="Confusion matrix" open={open} onOpen={look}>
        <Button onClick={look}>Look again</Button>
        {confusion.value ? <ConfusionMatrix confusion={confusion.value} /> : <p>Counting.</p>}
      </Section>
      <Section title="Most confidently wrong" open={worst} onOpen={() => undefined}>
        <WorstExamples />
      </Section>
    </>
  );
}
