/**
 * A guest that shows whether it lives and whether a write was lost: it answers pings, tells by HTTP how far it is, and every tenth of a second
 * writes a numbered record to its second disk, flushed before the next.
 */
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { World } from '../../src/base/world.ts';
import { buildDemoDisk } from '../../src/drivers/image/demo-disk.ts';
import { must } from '../e2e/harness/commands.ts';

const RECORD_BYTES = 512;
/** Records lie in a ring from the first MiB on; the first sector says which is the last. */
const FIRST_RECORD = 2048;
const RING = 4096;

/** A number that goes on after a restart, and the boot that wrote it: both stay over a live migration. */
export type Writing = { boot: string; number: number };

/** A disk without the mark of an earlier boot begins at 1. */
const SERVICE = `
disk=/dev/vdb; mkdir -p /run/www; httpd -p 80 -h /run/www
boot=$(cat /proc/sys/kernel/random/boot_id)
n=$(dd if=$disk bs=512 count=1 2>/dev/null | sed -n 's/^boot=.* n=\\([0-9]*\\) *$/\\1/p'); n=\${n:-0}
while :; do
  n=$((n+1))
  printf '%-511s\\n' "boot=$boot n=$n" >/run/record
  dd if=/run/record of=$disk bs=512 seek=$((${FIRST_RECORD} + n % ${RING})) conv=notrunc 2>/dev/null
  dd if=/run/record of=$disk bs=512 conv=notrunc,fsync 2>/dev/null
  cp /run/record /run/www/next && mv /run/www/next /run/www/index.html
  usleep 100000
done`;

/** Builds the guest's boot disk at `path`, once. */
export async function buildWriterDisk(world: World, path: string): Promise<void> {
  if ((await world.files.stat(path)) !== undefined) return;
  await mkdir(join(path, '..'), { recursive: true });
  const workDirectory = await mkdtemp(`${path}-`);
  try {
    const output = join(workDirectory, 'writer.qcow2');
    await buildDemoDisk(world, {
      workDirectory,
      output,
      cacheDirectory: join(workDirectory, 'cache'),
      service: SERVICE,
      signal: AbortSignal.timeout(240_000),
      progress: () => {},
    });
    await rename(output, path);
  } finally {
    await rm(workDirectory, { recursive: true, force: true });
  }
}

/** What the guest at the address is at; undefined while it does not answer. */
export async function writingAt(address: string): Promise<Writing | undefined> {
  // An emulated machine on a busy one needs seconds to fork its server.
  const answer = await fetch(`http://${address}/`, { signal: AbortSignal.timeout(5_000) }).catch(
    () => undefined,
  );
  return answer?.ok === true ? parse(await answer.text()) : undefined;
}

/**
 * Reads the second disk of the guest and insists that every record up to the last is there. Only for a disk nobody has open.
 * Gives the last.
 */
export async function verifyDisk(volume: string): Promise<Writing> {
  const last = (await recordsOf(volume)).at(-1);
  if (last === undefined) throw new Error(`${volume} has no record`);
  return last;
}

/** The same, and insists that no boot has written between records of another. Gives the boots in their order. */
export async function writtenInOrder(volume: string): Promise<string[]> {
  const boots = (await recordsOf(volume)).map(({ boot }) => boot);
  const turns = boots.filter((boot, index) => boot !== boots[index - 1]);
  if (new Set(turns).size !== turns.length)
    throw new Error(`${volume}: written by turns: ${turns.join(', ')}`);
  return turns;
}

async function recordsOf(volume: string): Promise<Writing[]> {
  const raw = `${volume}.check`;
  await must(['qemu-img', 'convert', '-O', 'raw', volume, raw]);
  const file = await open(raw);
  try {
    const sector = async (index: number) => {
      const { buffer } = await file.read(Buffer.alloc(RECORD_BYTES), 0, RECORD_BYTES, index * RECORD_BYTES);
      return parse(buffer.toString('latin1'));
    };
    const last = await sector(0);
    if (last === undefined) throw new Error(`${volume} has no record`);
    const records: Writing[] = [];
    // The next one may stand in the place of the oldest already: the first sector is written after it.
    for (let number = Math.max(1, last.number - RING + 2); number <= last.number; number += 1) {
      const record = await sector(FIRST_RECORD + (number % RING));
      if (record?.number !== number) {
        throw new Error(
          `${volume}: record ${number} of ${last.number} is lost, ${record?.number} is in its place`,
        );
      }
      records.push(record);
    }
    return records;
  } finally {
    await file.close();
    await rm(raw);
  }
}

/** The last record, read beside the machine that has the disk open; undefined before there is one. */
export async function lastOn(volume: string): Promise<Writing | undefined> {
  const raw = `${volume}.look`;
  const from = [`if=${volume}`, `of=${raw}`, `bs=${RECORD_BYTES}`, 'count=1'];
  await must(['qemu-img', 'dd', '-U', '-f', 'qcow2', '-O', 'raw', ...from]);
  try {
    return parse(await readFile(raw, 'latin1'));
  } finally {
    await rm(raw);
  }
}

/** The record of that number on a raw copy of the second disk, while the ring still has it. */
export async function writtenAs(raw: string, number: number): Promise<Writing | undefined> {
  const file = await open(raw);
  try {
    const place = (FIRST_RECORD + (number % RING)) * RECORD_BYTES;
    const { buffer } = await file.read(Buffer.alloc(RECORD_BYTES), 0, RECORD_BYTES, place);
    return parse(buffer.toString('latin1'));
  } finally {
    await file.close();
  }
}

function parse(text: string): Writing | undefined {
  const [, boot, number] = /^boot=(\S+) n=(\d+) *\n$/.exec(text) ?? [];
  return boot === undefined || number === undefined ? undefined : { boot, number: Number(number) };
}
