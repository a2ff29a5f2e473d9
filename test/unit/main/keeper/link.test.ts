/** How an agent finds, starts and replaces the keeper of its host, over real sockets: guests are guarded through all of it, and nobody forgets them. */
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createConnection, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../../src/base/log.ts';
import type { Keeper, KeeperState } from '../../../../src/keeper/contract.ts';
import { serveControl } from '../../../../src/main/keeper/control.ts';
import { keeperLink } from '../../../../src/main/keeper/link.ts';
import type { KeeperPlace } from '../../../../src/main/keeper/place.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const world = { ...realWorld(), log: silentLog };
const LIFE = { bootID: 'boot-1', term: 3 };

let run: string;
let told: string[];
/** What keepers of this boot remember of each other. */
let guarded: Map<string, string>;
let servers: Server[];
let sockets: Socket[];

beforeEach(async () => {
  run = await mkdtemp(join(tmpdir(), 'vireo-link-'));
  [told, guarded, servers, sockets] = [[], new Map(), [], []];
});
afterEach(async () => {
  for (const server of servers) server.close();
  await rm(run, { recursive: true, force: true });
});

/** A keeper of that version, as a process that serves until it is ended. */
async function begin(version: string): Promise<void> {
  const state = (): KeeperState => ({
    ...{ life: LIFE, isOpen: true, watchdog: 'None' as const, guarded: [...guarded] },
  });
  const keeper: Partial<Keeper> = {
    state,
    guard: async (key, id) => {
      guarded.set(key, id);
      told.push(`${version} guards ${key}`);
      return LIFE;
    },
    release: async (key) => void guarded.delete(key),
    forget: async () => {
      guarded.clear();
      told.push(`${version} forgets`);
    },
  };
  const end = () => {
    told.push(`${version} ends`);
    server.close();
  };
  const server = await serveControl(join(run, 'keeper.sock'), keeper as Keeper, { version, end });
  servers.push(server);
  server.on('connection', (socket) => sockets.push(socket));
  told.push(`${version} begins`);
}

function link(version: string) {
  const place = { host: 'a', runDirectory: run } as KeeperPlace;
  const spawnDetached = async () => {
    await begin(version);
    return undefined as never;
  };
  const processes = { ...world.processes, spawnDetached };
  return keeperLink({ ...world, processes }, place, { command: ['keeper'], version });
}

describe('an agent', () => {
  it('starts a keeper where there is none, and says where its things are', async () => {
    expect(await link('1').guard('db@1', 'db')).toEqual(LIFE);
    expect(told).toEqual(['1 begins', '1 guards db@1']);
    const place = await readFile(join(run, 'keeper-place.json'), 'utf8');
    expect(JSON.parse(place)).toMatchObject({ host: 'a', runDirectory: run });
  });

  it('finds the one that its predecessor has left, with all that it guards', async () => {
    await link('1').guard('db@1', 'db');
    expect((await link('1').state()).guarded).toEqual([['db@1', 'db']]);
    expect(told.filter((what) => what.endsWith('begins'))).toHaveLength(1);
  });

  it('of another version has the next keeper go on where that one ends, which forgets nothing', async () => {
    await link('1').guard('db@1', 'db');
    const upgraded = link('2');
    expect((await upgraded.state()).guarded).toEqual([['db@1', 'db']]);
    await upgraded.guard('web@4', 'web');
    expect(told).toEqual(['1 begins', '1 guards db@1', '1 ends', '2 begins', '2 guards web@4']);
  });

  it('starts another when its keeper was killed, at the next question but one', async () => {
    const agent = link('1');
    await agent.guard('db@1', 'db');
    for (const socket of sockets) socket.destroy();
    servers[0]?.close();
    await agent.state().catch(() => undefined);
    expect((await agent.state()).guarded).toEqual([['db@1', 'db']]);
    expect(told).toEqual(['1 begins', '1 guards db@1', '1 begins']);
  });

  it('ends it when high availability is switched off, and starts none for that', async () => {
    await link('1').guard('db@1', 'db');
    await link('1').end();
    expect(told.slice(2)).toEqual(['1 forgets', '1 ends']);
    await link('1').end();
    expect(told).toHaveLength(4);
  });

  it('starts none only to end a life', async () => {
    await expect(link('1').retire()).rejects.toThrow();
    expect(told).toEqual([]);
  });
});

describe('a keeper outlives its agent', () => {
  const isAsked = () => expect(link('1').state()).resolves.toMatchObject({ life: LIFE });

  it('that is killed with answers it has not read', async () => {
    await link('1').guard('db@1', 'db');
    sockets[0]?.destroy(new Error('read ECONNRESET'));
    await isAsked();
    expect(told.filter((what) => what.endsWith('begins'))).toHaveLength(1);
  });

  it('that is killed in the middle of a word', async () => {
    await begin('1');
    const agent = createConnection({ path: join(run, 'keeper.sock') });
    await once(agent, 'connect');
    agent.end('{"id": 1, "do": "gua');
    await once(agent, 'close');
    await isAsked();
  });
});
