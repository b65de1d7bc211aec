// Vitest's configuration: everything under test/ runs in Node. Files run one after another, since GPU tests share two
// cores with a software adapter.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: true,
    maxWorkers: 2,
  },
});
