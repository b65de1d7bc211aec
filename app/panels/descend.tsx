// Descend: what the learning rate does, on a curve of one weight; and what momentum and Adam do, in a valley of two. The steps
// are made by the engine's own optimizers, through the protocol.
import { Panel } from '../ui/kit.tsx';
import { CurveLesson } from './descend-curve.tsx';
import { ValleyLesson } from './descend-valley.tsx';
import '../styles/descend.css';

export function DescendPanel() {
  return (
    <Panel
      id="descend"
      title="Descend"
      lead="The loss is a landscape, the gradient points uphill, and the learning rate is how far each step goes downhill."
    >
      <div class="descend-lessons">
        <CurveLesson />
        <ValleyLesson />
      </div>
    </Panel>
  );
}
