// A run on the GPU that is saved, loaded in another process and trained to its end has the bits of one that was not.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { Backend } from '../src/backend.ts';
import { digits } from '../src/data/digits.ts';
import { saveCheckpoint, saveWeights } from '../src/train/files.ts';
import * as presets from '../src/train/presets.ts';
import { Trainer } from '../src/train/trainer.ts';
import { testExecutor } from './gpu.ts';
import { TEST_ADAPTER } from './gpu-node.ts';

const EXAMPLES = 8000;

// 250 steps are an epoch here, so it ends between the two halves.
it.skipIf(!existsSync('dist/src/node/index.js'))(
  'after 200 steps, save, load in a new process and 200 more as after 400',
  async () => {
    const data = await digits({ train: EXAMPLES, test: 500 });
    const gpu = new Backend(await testExecutor(), { name: 'the test device', software: true });
    const { model, loss, optimizer } = presets.classic;
    const make = () => new Trainer(gpu, { model: model(), loss, optimizer: optimizer(), seed: 5 });
    const [whole, half] = [make(), make()];
    await whole.fit(data.train, { maxSteps: 400, batchSize: 32 });
    for await (const _ of half.fit(data.train, { maxSteps: 400, batchSize: 32, events: 'step' })) {
      if (half.history.steps.step.length === 200) break;
    }
    const folder = await mkdtemp(join(tmpdir(), 'thalweg-gpu-'));
    try {
      const [checkpoint, out] = [join(folder, 'half.safetensors'), join(folder, 'end.safetensors')];
      await writeFile(checkpoint, await saveCheckpoint(half));
      const args = ['test/resume-child.mjs', checkpoint, out, TEST_ADAPTER ?? '', String(EXAMPLES), '400'];
      await promisify(execFile)(process.execPath, args);
      expect((await readFile(out)).equals(Buffer.from(await saveWeights(whole)))).toBe(true);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
    whole.dispose();
    half.dispose();
  },
);
