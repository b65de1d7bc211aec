// The story: an introduction for newcomers, one paragraph per idea, each with something to try.
import type { ComponentChildren } from 'preact';
import { type Config, PRESET_CONFIGS } from '../config.ts';
import * as store from '../page/store.ts';
import { count } from '../ui/format.ts';
import { Button, Panel } from '../ui/kit.tsx';
import '../styles/story.css';

/** Scrolls a panel into view and focuses its heading. */
function go(id: string): void {
  const heading = document.getElementById(`${id}-title`);
  heading?.scrollIntoView();
  heading?.focus({ preventScroll: true });
}

/** Restarts with random weights, and shows the drawing pad. */
function startOver(): void {
  void store.reset();
  go('draw');
}

/** Sets a preset with some settings changed, and shows the training panel. */
function set(preset: Config['preset'], more: Partial<Config>): void {
  const { seed, data, device } = store.config.value;
  void store.change({ ...PRESET_CONFIGS[preset], seed, data, device, ...more });
  go('train');
}

interface IdeaProps {
  readonly title: string;
  readonly children: ComponentChildren;
  /** The text of its button. */
  readonly label: string;
  readonly onTry: () => void;
}

function Idea({ title, children, label, onTry }: IdeaProps) {
  return (
    <li>
      <h3>{title}</h3>
      <p>{children}</p>
      <Button disabled={!store.ready.value || store.occupied.value !== undefined} onClick={onTry}>
        {label}
      </Button>
    </li>
  );
}

export function StoryPanel() {
  const { train, test } = store.data.value ?? { train: 60_000, test: 10_000 };
  return (
    <Panel id="story" title="The story" lead="What you have been watching, in eight short steps.">
      <ol class="story-ideas">
        <Idea title="Random weights" label="Start over, and draw something" onTry={startOver}>
          A network is sums of sums, each bent by a curve, with thousands of numbers in them, its weights. At first they
          are random, so it says of each picture something at random: about one digit in ten is right.
        </Idea>
        <Idea title="Loss" label="Watch it fall" onTry={() => go('train')}>
          The loss says how wrong the answers are: large where the network is sure and mistaken, 0 where it is sure and
          right. Learning means making this one number small.
        </Idea>
        <Idea title="Gradient" label="See which weights matter now" onTry={() => go('inside')}>
          For each weight you can compute how much the loss changes if the weight increases slightly. All these slopes
          together are the gradient. It points uphill, so learning goes the other way.
        </Idea>
        <Idea title="Learning rate" label="Find it on a curve" onTry={() => go('descend')}>
          How far to step. Too small, and nothing seems to happen; too large, and each step jumps over the valley. It is
          the setting that matters most, and there is no rule for it: you have to try.
        </Idea>
        <Idea title="Mini-batches" label="Set batches of 8" onTry={() => set('classic', { batch: 8 })}>
          The true gradient would need all {count(train)} training pictures for one step. A few dozen give a rough one
          that points nearly the same way, a thousand times cheaper. That is why the raw curve is noisy.
        </Idea>
        <Idea title="Epochs" label="Set one epoch" onTry={() => set('mlp', { epochs: 1 })}>
          An epoch is one pass over all pictures, in a newly shuffled order. The first teaches most; the later ones
          refine, in smaller and smaller steps.
        </Idea>
        <Idea
          title="Over-fitting"
          label="Set more weights than it needs"
          onTry={() => set('mlp', { hidden: [512], epochs: 20 })}
        >
          A large network can learn its pictures by heart. The training loss then keeps falling while the loss on unseen
          ones stalls, or even rises: it remembers instead of understanding.
        </Idea>
        <Idea title="Unseen digits" label="Look at its mistakes" onTry={() => go('inside')}>
          What counts is how it does on pictures that it was not trained on, {count(test)} of them kept aside. Yours are
          of that kind, too. Many of its mistakes are ones that you would understand.
        </Idea>
      </ol>
      <p>And when it goes wrong, it does so in one of two ways.</p>
      <ul class="story-ideas">
        <Idea
          title="Stuck"
          label="Set the rate to 100 on classic"
          onTry={() => set('classic', { lr: 100, schedule: 'constant' })}
        >
          A network of sigmoids does not blow up at too large a rate. Its units are pushed so far to one side that their
          gradients vanish: the loss stays where it is, and learning stops.
        </Idea>
        <Idea
          title="Blown up"
          label="Set the rate to 1e30 on mlp"
          onTry={() => set('mlp', { optimizer: 'sgd', lr: 1e30, schedule: 'constant' })}
        >
          A network of ReLUs has no such bound. With plain gradient descent its numbers grow until they are no longer
          finite; the page then keeps the weights from before that step.
        </Idea>
      </ul>
    </Panel>
  );
}
