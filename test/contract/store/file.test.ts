import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { CompactedError, type Entry, type Store } from '../../../src/store/contract.ts';
import { openFileStore } from '../../../src/store/file.ts';
import { loadFile } from '../../../src/store/load.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { describeStore } from './suite.ts';

const directories: string[] = [];
const newDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-store-'));
  directories.push(directory);
  return directory;
};

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

describeStore('the store in a directory', async () =>
  openFileStore({ directory: await newDirectory(), lock: false }),
);

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
/** Entries with their values as text, which is compared at once and not byte by byte. */
const readable = (entries: readonly Entry[]) =>
  entries.map(({ value, ...entry }) => ({ ...entry, text: Buffer.from(value).toString('latin1') }));
const put = (store: Store, key: string, value: string) => store.commit([{ key, put: bytes(value) }]);

describe('a store that is opened again', () => {
  let directory: string;
  const open_ = () => openFileStore({ directory, lock: false });
  const file = () => join(directory, 'store.vir');

  beforeEach(async () => {
    directory = await newDirectory();
  });

  test('has its entries, revisions and history', async () => {
    const first = await open_();
    await put(first, '/a', 'one');
    await put(first, '/a', 'two');
    await put(first, '/b', 'one');
    await first.commit([{ key: '/b', delete: true }]);
    const before = { entries: first.range({ prefix: '' }), changes: first.changesAfter(1, 100) };
    await first.close();

    const second = await open_();
    expect(second.revision()).toBe(5);
    expect(second.range({ prefix: '' })).toEqual(before.entries);
    expect(second.changesAfter(1, 100)).toEqual(before.changes);
    expect(second.range({ prefix: '', revision: 2 }).entries).toHaveLength(1);
    expect(await put(second, '/c', 'x')).toEqual({ ok: true, revision: 6 });
    await second.close();
  });

  test('still knows what was compacted', async () => {
    const first = await open_();
    await put(first, '/a', 'one');
    await put(first, '/a', 'two');
    await first.compact(3);
    await first.close();
    const second = await open_();
    expect(second.compactedRevision()).toBe(3);
    expect(() => second.changesAfter(2, 1)).toThrow(CompactedError);
    expect(second.get('/a')?.createRevision).toBe(2);
    await second.close();
  });

  test('has grown smaller after compaction, with nothing lost', async () => {
    const first = await open_();
    const large = 'x'.repeat(100_000);
    for (let round = 0; round < 100; round++) await put(first, `/k${round % 3}`, `${round}${large}`);
    const grown = (await stat(file())).size;
    await first.compact(first.revision());
    expect((await stat(file())).size).toBeLessThan(grown / 10);
    await put(first, '/after', 'x');
    const { entries } = first.range({ prefix: '' });
    await first.close();
    const second = await open_();
    expect(readable(second.range({ prefix: '' }).entries)).toEqual(readable(entries));
    expect(second.revision()).toBe(102);
    await second.close();
  });

  test('takes commits while it is rewritten, and has each of them afterwards', async () => {
    const first = await open_();
    for (let round = 0; round < 4; round++) {
      const value = Buffer.from(String(round).repeat(50_000));
      await first.commit(Array.from({ length: 60 }, (_, index) => ({ key: `/k${index}`, put: value })));
    }
    const filled = first.revision();
    const grown = (await stat(file())).size;
    let rewritten = false;
    const compaction = first.compact(first.revision()).finally(() => {
      rewritten = true;
    });
    let meanwhile = 0;
    for (; !rewritten; meanwhile++) await put(first, `/meanwhile${meanwhile % 7}`, String(meanwhile));
    await compaction;
    expect(meanwhile).toBeGreaterThan(1);
    expect((await stat(file())).size).toBeLessThan(grown / 2);
    await put(first, '/after', 'x');
    const { entries } = first.range({ prefix: '' });
    await first.close();
    const second = await open_();
    expect(readable(second.range({ prefix: '' }).entries)).toEqual(readable(entries));
    expect(second.changesAfter(filled, 10_000).length).toBe(meanwhile + 1);
    await second.close();
  });

  test('drops the torn end of a write that was never acknowledged', async () => {
    const first = await open_();
    await put(first, '/a', 'one');
    const good = (await stat(file())).size;
    await put(first, '/b', 'one');
    await first.close();
    for (const cut of [1, 12, 20]) {
      const whole = await readFile(file());
      await truncate(file(), good + cut);
      const second = await open_();
      expect(second.revision()).toBe(2);
      await second.close();
      expect((await stat(file())).size).toBe(good);
      await writeFile(file(), whole);
    }
  });

  test('writes over zeros that it has put down ahead, which a crash leaves behind it', async () => {
    const store = await open_();
    const value = 'v'.repeat(2_000);
    const content = async () => (await loadFile(handle, file())).goodBytes;
    const handle = await open(file(), 'r');
    let count = 0;
    while ((await stat(file())).size - (await content()) < 100_000) await put(store, `/k${count++}`, value);
    const size = (await stat(file())).size;
    await put(store, '/over', value);
    expect((await stat(file())).size).toBe(size);
    const crashed = await readFile(file());
    const end = await content();
    await handle.close();
    await store.close();
    expect((await stat(file())).size).toBe(end);

    await writeFile(file(), crashed);
    const second = await open_();
    expect(second.count('')).toBe(count + 1);
    await second.close();
    // Of the last write a part got to the disk, the rest is zeros still.
    await writeFile(file(), crashed.fill(0, end - 1_000));
    const third = await open_();
    expect(third.count('')).toBe(count);
    expect(await put(third, '/after', value)).toMatchObject({ ok: true });
    await third.close();
    const fourth = await open_();
    expect(fourth.count('')).toBe(count + 1);
    await fourth.close();
  });

  test('is not called damaged by who reads it while commits go on', async () => {
    const store = await open_();
    await put(store, '/a', 'one');
    const handle = await open(file(), 'r');
    // Two commits after the last byte was read and before the look at what follows.
    const stat_ = async () => {
      if (store.revision() < 4) {
        await put(store, '/b', 'two');
        await put(store, '/c', 'three');
      }
      return handle.stat();
    };
    const busy = Object.create(handle, { stat: { value: stat_ } });
    const { history } = await loadFile(busy, file());
    expect(history.revision()).toBe(4);
    await handle.close();
    await store.close();
  });

  test('is refused when something acknowledged is damaged, with the place and what to do', async () => {
    const first = await open_();
    await put(first, '/a', 'one');
    const place = (await stat(file())).size;
    await put(first, '/b', 'two');
    await put(first, '/c', 'three');
    await first.close();
    for (const offset of [place, place + 5, place + 14]) {
      const whole = await readFile(file());
      const handle = await open(file(), 'r+');
      await handle.write(Buffer.from([0xff]), 0, 1, offset);
      await handle.close();
      await expect(open_()).rejects.toMatchObject({ reason: 'StoreDamaged', stalled: true });
      await expect(open_()).rejects.toThrow(
        new RegExp(`bytes ${place} to \\d+ are not what was written.*backup`),
      );
      await writeFile(file(), whole);
    }
  });

  test('is refused when its beginning is gone or it is another file', async () => {
    await writeFile(file(), '');
    await expect(open_()).rejects.toMatchObject({ reason: 'StoreDamaged' });
    await writeFile(file(), 'SQLite format 3');
    await expect(open_()).rejects.toMatchObject({ reason: 'StoreDamaged' });
  });

  test('shows, wherever a crash cut the file, the commits that are whole', async () => {
    const { start, sizes } = await fiveCommits();
    const whole = await readFile(file());
    for (let cut = start; cut <= whole.length; cut += 5) {
      await writeFile(file(), whole.subarray(0, cut));
      const store = await open_();
      expect(store.revision()).toBe(1 + sizes.filter((size) => size <= cut).length);
      await store.close();
    }
  });

  test('never shows something else than what was written, whichever byte the disk changed', async () => {
    const { sizes } = await fiveCommits();
    const whole = await readFile(file());
    const lastFrame = sizes.at(-2) ?? 0;
    for (let offset = 0; offset < whole.length; offset += 3) {
      const changed = Buffer.from(whole);
      changed[offset] = (changed[offset] ?? 0) ^ 0x10;
      await writeFile(file(), changed);
      if (offset < lastFrame) {
        await expect(open_()).rejects.toMatchObject({ reason: 'StoreDamaged' });
      } else {
        // The last frame cannot be told from a write that a crash cut short.
        const store = await open_();
        expect(store.revision()).toBe(5);
        await store.close();
      }
    }
  });

  test('is the same as one that was never closed, whatever was done', async () => {
    const key = fc.constantFrom('/a', '/b', '/c/d');
    const step = fc.oneof(
      fc.record({ do: fc.constant('put' as const), key, value: fc.string({ maxLength: 20 }) }),
      fc.record({ do: fc.constant('delete' as const), key }),
      fc.record({ do: fc.constant('compact' as const) }),
      fc.record({ do: fc.constant('reopen' as const) }),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
        await rm(file(), { force: true });
        const model = createMemoryStore();
        let store = await open_();
        for (const action of steps) {
          if (action.do === 'reopen') {
            await store.close();
            store = await open_();
          } else {
            for (const each of [model, store]) await apply(each, action);
          }
        }
        expect(await picture(store)).toEqual(await picture(model));
        await store.close();
      }),
      { numRuns: 15 },
    );
  });

  /** A file of five commits: where its base ends and where each commit's frame does. */
  async function fiveCommits(): Promise<{ start: number; sizes: number[] }> {
    const store = await open_();
    const start = (await stat(file())).size;
    const sizes: number[] = [];
    for (const key of ['/a', '/b', '/a', '/c', '/d']) {
      await put(store, key, 'some value');
      sizes.push((await stat(file())).size);
    }
    await store.close();
    return { start, sizes };
  }

  test('reads a file larger than one reading step, with commits across its bounds and one that is longer', async () => {
    const first = await open_();
    for (const [index, length] of [700_001, 1_300_002, 9_000_003, 3, 2_100_004, 4_000_005, 500_006].entries())
      await put(first, `/k${index}`, String(index).repeat(length));
    const { entries } = first.range({ prefix: '' });
    await first.close();
    const second = await open_();
    expect(readable(second.range({ prefix: '' }).entries)).toEqual(readable(entries));
    expect(second.changesAfter(1, 100)).toHaveLength(7);
    await second.close();
  });

  test('has its keys in the order of bytes, those beyond the basic plane too', async () => {
    const first = await open_();
    for (const key of ['/😀', '/b', '/\uffee', '/a', '/ä']) await put(first, key, 'x');
    await first.close();
    const second = await open_();
    const keys = second.range({ prefix: '' }).entries.map(({ key }) => key);
    expect(keys).toEqual(['/a', '/b', '/ä', '/\uffee', '/😀']);
    await second.close();
  });
});

type Action = { do: 'put'; key: string; value: string } | { do: 'delete'; key: string } | { do: 'compact' };

async function apply(store: Store, action: Action): Promise<void> {
  if (action.do === 'put') await put(store, action.key, action.value);
  else if (action.do === 'delete') await store.commit([{ key: action.key, delete: true }]);
  else await store.compact(store.revision() - 1);
}

/** All that can be read of a store, present and past. */
async function picture(store: Store): Promise<unknown> {
  const first = store.compactedRevision();
  const revisions = Array.from({ length: store.revision() - first + 1 }, (_, index) => first + index);
  return {
    revision: store.revision(),
    changes: store.changesAfter(first, 1000),
    times: revisions.map((revision) => store.range({ prefix: '', revision }).entries),
  };
}

/** A process of its own that writes and says on its output what was acknowledged. */
const writer = (directory: string, prefix: readonly string[] = []) =>
  spawn(
    prefix[0] ?? process.execPath,
    [
      ...(prefix.length > 0 ? [...prefix.slice(1), process.execPath] : []),
      '--import',
      'tsx',
      fileURLToPath(new URL('./writer.ts', import.meta.url)),
      directory,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );

describe('a store whose process is killed', () => {
  test('has every acknowledged write, and its lock is free', async () => {
    const directory = await newDirectory();
    for (let round = 0; round < 3; round++) {
      const child = writer(directory);
      let acknowledged = '';
      for await (const chunk of child.stdout) {
        acknowledged += String(chunk);
        if (acknowledged.length > 2000 * (round + 1)) child.kill('SIGKILL');
      }
      const lines = acknowledged.split('\n').slice(0, -1);
      expect(lines.length).toBeGreaterThan(10);
      const store = await openWhenFree(directory);
      for (const line of lines) {
        const [key = '', revision] = line.split(' ');
        expect(store.get(key)?.modRevision).toBe(Number(revision));
      }
      await store.close();
    }
  });
});

describe('a store whose disk is full', () => {
  test('refuses the write, goes on reading, and writes again when there is room', async () => {
    const directory = await newDirectory();
    // The limit on a file's size stands for the full disk: the same failing write(2), without root.
    const child = writer(directory, ['prlimit', '--fsize=300000:unlimited']);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
      // The child stops at the first refusal and waits for its limit to be lifted.
      if (output.includes('full\n') && child.stdin.writable) {
        spawn('prlimit', ['--pid', String(child.pid), '--fsize=unlimited']).once('exit', () =>
          child.stdin.end('go on\n'),
        );
      }
    });
    await once(child, 'exit');
    const lines = output.split('\n').slice(0, -1);
    expect(lines.at(-2)).toBe('full');
    const store = await openWhenFree(directory);
    const acknowledged = lines.filter((line) => line.startsWith('/'));
    for (const line of acknowledged) {
      const [key = '', revision] = line.split(' ');
      expect(store.get(key)?.modRevision).toBe(Number(revision));
    }
    expect(store.count('/')).toBe(acknowledged.length);
    await store.close();
  });
});

/** The kernel frees a killed process's lock a moment after its end. */
async function openWhenFree(directory: string): Promise<Store> {
  const deadline = Date.now() + 5000;
  for (;;) {
    try {
      return await openFileStore({ directory });
    } catch (error) {
      if (Date.now() > deadline) throw error;
    }
  }
}
