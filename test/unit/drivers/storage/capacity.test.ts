/** Room in a directory pool that is nearly full: what is set aside counts once, and what is on its way out not at all. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { World } from '../../../../src/base/world.ts';
import { type Capacity, createCapacity } from '../../../../src/drivers/storage/directory/capacity.ts';
import { plainGround } from '../../../../src/drivers/storage/directory/ground.ts';
import { openRoom, type PoolRoom } from '../../../../src/drivers/storage/directory/room.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const MIB = 2 ** 20;
const real = realWorld();

let path: string;
let freeMib: number;
/** Until it is opened nothing is removed. */
let bin: { opened: Promise<void>; open(): void };
let room: PoolRoom;
let capacity: Capacity;
/** In what order. */
let seen: string[];

function gate() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), 'vireo-capacity-'));
  bin = gate();
  seen = [];
  const world: World = {
    ...real,
    log: silentLog,
    files: { ...real.files, space: async () => ({ totalBytes: 1_000 * MIB, freeBytes: freeMib * MIB }) },
    processes: {
      ...real.processes,
      run: async (argv, options) => {
        if (argv[0] === 'sync') seen.push('flush begins');
        if (argv[0] === 'rm') await bin.opened;
        const result = await real.processes.run(argv, options);
        if (argv[0] === 'rm') seen.push('removal ends');
        return result;
      },
    },
  };
  room = await openRoom(world, { type: 'Directory', name: 'local', path }, plainGround);
  capacity = createCapacity(room);
});
afterEach(() => rm(path, { recursive: true }));

/** A copy of which so much is written, and that goes on until it is ended. */
async function copyUnderWay({ mib, writtenMib }: { mib: number; writtenMib: number }) {
  const place = room.partialPath('copy');
  const begun = gate();
  const end = gate();
  const ended = capacity.reserve({ bytes: mib * MIB, place }, async () => {
    await mkdir(place);
    await writeFile(join(place, 'disk'), Buffer.alloc(writtenMib * MIB, 'x'));
    freeMib -= writtenMib;
    begun.open();
    await end.opened;
  });
  await begun.opened;
  return async () => {
    end.open();
    await ended;
  };
}

const takes = (mib: number) => capacity.reserve({ bytes: mib * MIB }, async () => 'taken');
const lacks = (mib: number) => ({
  reason: 'PoolFull',
  message: expect.stringContaining(`${mib * MIB} bytes`),
});

describe('a pool that is nearly full', () => {
  it('has room beside a copy for all but what that is still to write', async () => {
    freeMib = 100;
    const end = await copyUnderWay({ mib: 60, writtenMib: 40 });
    // 60 are free: 20 are still to come, 16 are spared.
    await expect(takes(25)).rejects.toMatchObject({ reason: 'PoolFull' });
    expect(await takes(23)).toBe('taken');
    await end();
    // What was set aside has gone with the copy.
    expect(await takes(44)).toBe('taken');
    await expect(takes(45)).rejects.toMatchObject(lacks(1));
  });

  it('keeps all that a copy is to have before that has written anything, from others that come at one time too', async () => {
    freeMib = 100;
    const end = await copyUnderWay({ mib: 60, writtenMib: 0 });
    await expect(takes(25)).rejects.toMatchObject({ reason: 'PoolFull' });
    const both = await Promise.allSettled([copyUnderWay({ mib: 20, writtenMib: 0 }), takes(20)]);
    expect(both.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await end();
  });

  it('counts what others have written though one of them has not begun', async () => {
    freeMib = 150;
    const end = await copyUnderWay({ mib: 60, writtenMib: 40 });
    const release = await capacity.hold({ bytes: 20 * MIB, place: room.partialPath('later') });
    // 110 are free: 40 are still to come, 16 are spared.
    expect(await takes(53)).toBe('taken');
    await expect(takes(55)).rejects.toMatchObject({ reason: 'PoolFull' });
    release();
    expect(await takes(73)).toBe('taken');
    await end();
  });

  it('waits for what its ground gives back late', async () => {
    freeMib = 20;
    const reclaim = async () => {
      freeMib = 50;
    };
    const late = { ...room.ground, reclaim };
    capacity = createCapacity({ ...room, ground: late });
    expect(await takes(30)).toBe('taken');
  });

  it('waits for what is being removed before it says so', async () => {
    freeMib = 20;
    await mkdir(join(path, '.partial', 'old'));
    room.removeLater(join(path, '.partial', 'old'));
    const taken = takes(30);
    freeMib = 50;
    bin.open();
    expect(await taken).toBe('taken');
    // Free bytes are counted after what was removed is gone.
    expect(seen).toEqual(['removal ends', 'flush begins']);
  });
});
