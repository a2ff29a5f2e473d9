/**
 * The process that the tests of the file store kill and starve: it writes without end and prints `KEY REVISION` for what was
 * acknowledged. When the disk is full it prints `full`, waits for a line on its input, writes once more and ends.
 */
import { once } from 'node:events';
import { StoreFullError } from '../../../src/store/contract.ts';
import { openFileStore } from '../../../src/store/file.ts';

const store = await openFileStore({ directory: process.argv[2] ?? '' });
const value = new Uint8Array(2000).fill(0x78);

async function write(key: string): Promise<void> {
  const result = await store.commit([{ key, put: value }]);
  if (result.ok) process.stdout.write(`${key} ${result.revision}\n`);
}

/** One of several writers, so that commits share their flush. */
async function writeOn(name: string): Promise<void> {
  for (let count = 0; ; count++) await write(`/${process.pid}/${name}/${count}`);
}

try {
  await Promise.all(['a', 'b', 'c'].map(writeOn));
} catch (error) {
  if (!(error instanceof StoreFullError)) throw error;
  if (store.get(`/${process.pid}/a/0`) === undefined) throw error;
  process.stdout.write('full\n');
  await once(process.stdin, 'data');
  await write('/room-again');
  process.exit(0);
}
