// Run where no optional peer (`webgpu`, `@sparticuz/chromium`, `@jsquash/jpeg`) is installed: requesting one throws an error with a remedy.
import { match, rejects, strictEqual } from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { createBackend, DeviceError, datasets, OptionError } from 'thalweg/node';

await rejects(createBackend({ device: 'gpu' }), (error) => {
  strictEqual(error instanceof DeviceError, true, String(error));
  match(error.message, /npm install webgpu/);
  return true;
});
const backend = await createBackend();
strictEqual(backend.kind, 'cpu');
match(backend.notes.join(' '), /npm install webgpu/);

const jpeg = 'ffd8ffc0000b080001000101011100ffda0008010100003f00ffd9';
for (const name of ['cat', 'dog']) {
  mkdirSync(`images/${name}`, { recursive: true });
  writeFileSync(`images/${name}/1.jpg`, Buffer.from(jpeg, 'hex'));
}
await rejects(datasets.images('images', { skipBad: true }), (error) => {
  strictEqual(error instanceof OptionError, true, String(error));
  match(error.message, /JPEG files need the package @jsquash\/jpeg.*npm install @jsquash\/jpeg/);
  return true;
});
