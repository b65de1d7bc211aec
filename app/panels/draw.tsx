// Draw a digit: the pad, the drawing normalised like MNIST, and the network's prediction, updated while it learns.
import { signal, useSignal, useSignalEffect } from '@preact/signals';
import { useEffect, useMemo, useRef } from 'preact/hooks';
import { onSchemeChange } from '../charts/palette.ts';
import { normalise, type Point } from '../draw/normalise.ts';
import { paintPad, paintPicture } from '../draw/paint.ts';
import { clamp, Pen } from '../draw/pen.ts';
import * as store from '../page/store.ts';
import { timed } from '../page/timing.ts';
import type { Prediction } from '../protocol.ts';
import { newest } from '../teach/newest.ts';
import { percent } from '../ui/format.ts';
import { Bars, Button, Panel } from '../ui/kit.tsx';
import '../styles/draw.css';

/** Milliseconds between predictions during training, or while the pen moves. */
const AGAIN = 500;
const SIDE = 448;

const prediction = signal<Prediction | undefined>(undefined);

/** Requests a prediction for the drawing: one at a time, then the newest waiting one. */
const ask = newest(async (pixels: Float32Array | undefined) => {
  if (!pixels) prediction.value = undefined;
  if (!pixels || !store.ready.value) return;
  try {
    const answer = await store.theEngine().call('predict', { pixels });
    if (store.drawing.value) prediction.value = answer;
  } catch {
    // The network was just replaced; the next request uses the new one.
  }
});

export function DrawPanel() {
  useSignalEffect(() => {
    void store.run.value?.state;
    void store.ready.value;
    void store.network.value;
    ask(store.drawing.value);
  });
  useEffect(() => {
    const timer = setInterval(() => {
      if (store.training.value) ask(store.drawing.value);
    }, AGAIN);
    return () => clearInterval(timer);
  }, []);
  return (
    <Panel id="draw" title="Draw a digit" lead="The network reads what you draw, as well as it can so far.">
      <Pad />
      <Verdict />
    </Panel>
  );
}

function Pad() {
  const pad = useRef<HTMLCanvasElement>(null);
  const small = useRef<HTMLCanvasElement>(null);
  const version = useSignal(0);
  const said = useSignal('');
  const pen = useMemo(() => new Pen(() => void version.value++), []);
  const pointers = useMemo(() => pointerHandlers(pen), []);
  const paint = () => {
    if (pad.current) timed('draw', () => paintPad(pad.current!, pen.all, pen.cursor, pen.down));
    if (small.current) paintPicture(small.current, store.drawing.value);
  };
  useSignalEffect(() => {
    void version.value;
    store.drawing.value = timed('normalise', () => normalise(pen.all));
    paint();
  });
  useEffect(() => onSchemeChange(paint), []);
  return (
    <div class="draw-pads">
      <figure class="draw-figure">
        {/* biome-ignore lint/a11y/noInteractiveElementToNoninteractiveRole: one draws on it, by keyboard as well */}
        <canvas
          ref={pad}
          class="draw-pad"
          data-testid="draw-pad"
          width={SIDE}
          height={SIDE}
          role="application"
          aria-label="Drawing pad. Draw with pen, finger or mouse; with the keyboard, arrows move the pen and space puts it down or lifts it."
          tabIndex={0}
          onKeyDown={(event) => {
            if (!pen.key(event)) return;
            event.preventDefault();
            said.value = pen.down ? 'The pen is down.' : 'The pen is up.';
          }}
          {...pointers}
        />
        <p class="visually-hidden" role="status">
          {said}
        </p>
        <figcaption>
          <Button onClick={() => pen.undo()} title="Removes the last stroke">
            Undo
          </Button>
          <Button onClick={() => pen.clear()} title="Clears the pad">
            Clear
          </Button>
        </figcaption>
      </figure>
      <figure class="draw-figure">
        <canvas
          ref={small}
          class="draw-small"
          width={28}
          height={28}
          role="img"
          aria-label="The drawing as the network sees it, 28 by 28 pixels"
        />
        <figcaption>
          As the network sees it: scaled to 20 × 20 pixels, its centre of mass in the middle of 28 × 28.
        </figcaption>
      </figure>
    </div>
  );
}

/** The position on the pad, with sides 1; clamped to its edges. */
function placeOf(event: PointerEvent, pad: HTMLElement): Point {
  const { left, top, width, height } = pad.getBoundingClientRect();
  return { x: clamp((event.clientX - left) / width), y: clamp((event.clientY - top) / height) };
}

/** Only the pointer that pressed draws. */
function pointerHandlers(pen: Pen) {
  let drawing: number | undefined;
  const lift = ({ pointerId }: PointerEvent) => {
    if (pointerId !== drawing) return;
    drawing = undefined;
    pen.lift();
  };
  const at = (event: PointerEvent) => placeOf(event, event.currentTarget as HTMLElement);
  return {
    onPointerDown: (event: PointerEvent) => {
      if (event.button !== 0 || drawing !== undefined) return;
      drawing = event.pointerId;
      (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
      pen.cursor = undefined;
      pen.press(at(event));
    },
    onPointerMove: (event: PointerEvent) => {
      if (event.pointerId !== drawing) return;
      const pad = event.currentTarget as HTMLElement;
      const all = event.getCoalescedEvents?.() ?? [];
      pen.move((all.length > 0 ? all : [event]).map((one) => placeOf(one, pad)));
    },
    onPointerUp: lift,
    onPointerCancel: lift,
    onLostPointerCapture: lift,
  };
}

function Verdict() {
  const said = prediction.value;
  const share = (k: number) => said?.probabilities[k] ?? 0;
  const items = Array.from({ length: 10 }, (_, k) => ({
    label: String(k),
    value: share(k),
    text: said ? percent(share(k)) : '–',
    strong: said?.digit === k,
  }));
  return (
    <div class="draw-verdict">
      <p>
        <b class="draw-result" data-testid="draw-result">
          {said ? `${said.digit}, ${percent(share(said.digit))}` : store.drawing.value ? '…' : 'Nothing drawn yet'}
        </b>{' '}
        <span class="draw-step">
          {said
            ? said.step === 0 && store.run.value?.fresh
              ? 'says the network before its first step: a guess'
              : `says the network after step ${said.step}`
            : ''}
        </span>
      </p>
      <Bars items={items} label="How sure the network is of each digit" />
    </div>
  );
}
