import { defineConfig } from 'vitest/config';

/**
 * Four projects: `fast` needs no root and no hypervisor; `e2e` drives real QEMU, LXC and kubectl, one file at a time; `labs` tells stories of
 * several hosts, after `e2e` and one file at a time too, for machines that are emulated side by side answer too late; `cluster` works on the API
 * server of a kubeconfig.
 */
export default defineConfig({
  test: {
    // One less by default, which on two processors is one.
    maxWorkers: '100%',
    projects: [
      {
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/cluster/**', 'node_modules/**'],
          testTimeout: 20_000,
          // A file finds the modules as the file before it left them, which keep nothing: loading them anew for each took a quarter of the time.
          isolate: false,
        },
      },
      {
        test: {
          name: 'e2e',
          include: ['test/e2e/**/*.test.ts'],
          exclude: ['test/e2e/labs/**'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
      {
        test: {
          name: 'labs',
          include: ['test/e2e/labs/*.test.ts'],
          // Longer than what a story waits for, so that it says what has not come.
          testTimeout: 400_000,
          hookTimeout: 300_000,
          fileParallelism: false,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'cluster',
          include: ['test/cluster/**/*.test.ts'],
          testTimeout: 180_000,
          hookTimeout: 300_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
