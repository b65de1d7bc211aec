// A CommonJS program in TypeScript: the package is ES modules, so it comes by `import()`.
async function main(): Promise<void> {
  const { createBackend, datasets, losses, nn, optim, saveCheckpoint, Trainer } = await import('thalweg/node');
  const backend = await createBackend({ device: 'cpu' });
  const data = datasets.array(
    [
      [0, 0],
      [0, 1],
      [1, 0],
      [1, 1],
    ],
    [0, 1, 1, 0],
  );
  const trainer = new Trainer(backend, {
    model: new nn.Sequential(new nn.Linear(2, 8), new nn.Tanh(), new nn.Linear(8, 2)),
    loss: losses.softmaxCrossEntropy,
    optimizer: optim.adam({ lr: 0.05 }),
  });
  for await (const event of trainer.fit(data, { epochs: 2, batchSize: 4 })) console.log(event.epoch);
  const saved: Uint8Array = await saveCheckpoint(trainer);
  console.log(saved.length);
  trainer.dispose();
}

void main();
