// Run where neither `webgpu` nor `@sparticuz/chromium` is installed: what is asked for and missing throws, and says what to do.
import { match, rejects, strictEqual } from 'node:assert/strict';
import { createBackend, DeviceError } from 'thalweg/node';

await rejects(createBackend({ device: 'gpu' }), (error) => {
  strictEqual(error instanceof DeviceError, true, String(error));
  match(error.message, /npm install webgpu/);
  return true;
});
const backend = await createBackend();
strictEqual(backend.kind, 'cpu');
match(backend.notes.join(' '), /npm install webgpu/);
