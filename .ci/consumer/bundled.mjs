// Bundled for Node where no optional peer is installed: it builds, and says what to install as it runs.
import { match } from 'node:assert/strict';
import { createBackend } from 'thalweg/node';

const { kind, notes } = await createBackend();
match(`${kind} ${notes.join(' ')}`, /^cpu .*npm install webgpu/);
