import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openFileStore } from '../../../src/store/file.ts';
import { lockDirectory } from '../../../src/store/lock.ts';

const run = promisify(execFile);

describe('the lock of a data directory', () => {
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vireo-lock-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** The child that holds the lock, found by the file it has open. */
  const holderPid = async (): Promise<number> => {
    const search = `for p in /proc/[0-9]*; do ls -l $p/fd 2>/dev/null | grep -q "${directory}/LOCK" && basename $p; done; true`;
    const { stdout } = await run('sh', ['-c', search]);
    return Number(stdout.trim().split('\n')[0]);
  };

  test('is refused to a second taker, naming the holder', async () => {
    const release = await lockDirectory(directory);
    const second = lockDirectory(directory);
    await expect(second).rejects.toMatchObject({ reason: 'DataDirectoryInUse', stalled: true });
    await expect(second).rejects.toThrow(`in use by process ${process.pid}`);
    await release();
  });

  test('can be taken again after its release', async () => {
    const release = await lockDirectory(directory);
    await release();
    const again = await lockDirectory(directory);
    await again();
  });

  test('makes a directory that is missing', async () => {
    const release = await lockDirectory(join(directory, 'a', 'b'));
    await release();
  });

  test('says when it was lost, and the store then writes nothing more', async () => {
    const onLost = vi.fn();
    await (await lockDirectory(directory, onLost))();
    expect(onLost).not.toHaveBeenCalled();

    const store = await openFileStore({ directory });
    await store.commit([{ key: '/a', put: new Uint8Array(1) }]);
    process.kill(await holderPid(), 'SIGKILL');
    await vi.waitFor(async () => {
      await expect(store.commit([{ key: '/b', put: new Uint8Array(1) }])).rejects.toThrow(/lock .* lost/);
    });
    expect(store.get('/a')).toBeDefined();
    await store.close();
  });

  test('does not keep its process from ending', async () => {
    const module = new URL('../../../src/store/lock.ts', import.meta.url).href;
    const program = `const { lockDirectory } = await import(${JSON.stringify(module)}); await lockDirectory(${JSON.stringify(directory)});`;
    await run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      timeout: 10_000,
    });
    await vi.waitFor(async () => (await lockDirectory(directory))());
  });
});
