import { describe, expect, it } from 'vitest';
import { createCrasher } from '../crasher.ts';
import { createHosts, type HostName, type Hosts, type RunningHost } from './hosts.ts';
import { expectWhole, isOver, isReady, type Kind, nameOf, type Type } from './stories.ts';

type Pool = 'local' | 'other';
type Crash = { host: HostName; at: number; when: 'before' | 'after' };

/** A move during which one agent may die at one of its side effects and is started again a little later. */
async function move(kind: Kind, type: Type, pool: Pool | 'postCopy', crash?: Crash) {
  const hosts = createHosts();
  hosts.createPool();
  hosts.createPool('other');
  if (kind === 'Container') {
    hosts.createImage();
    hosts.createContainer();
  } else hosts.createMachine();
  const crasherOf = (host: HostName) =>
    crash?.host === host ? createCrasher(crash.at, crash.when) : createCrasher();
  const agents: Record<HostName, RunningHost> = {
    a: await hosts.start('a', crasherOf('a')),
    b: await hosts.start('b', crasherOf('b')),
  };
  const id = hosts.idOf(kind, nameOf(kind));
  await hosts.until('it runs on a', () => isReady(hosts, kind) && hosts.ether.isRunning('a', id));
  await hosts.clock.advance(2_000);
  const before = { a: agents.a.crasher.effects().length, b: agents.b.crasher.effects().length };
  if (pool === 'postCopy') {
    hosts.ether.busy.add(id);
    hosts.migrate(kind, nameOf(kind), type, { allowPostCopy: true });
  } else hosts.migrate(kind, nameOf(kind), type, { storage: [{ pool: 'local', target: pool }] });

  if (crash !== undefined) {
    const dying = agents[crash.host];
    await hosts.until('the crash', () => dying.crasher.isDead() || isOver(hosts));
    const last = dying.crasher.effects().at(-1) ?? '';
    for (let ms = 0; ms < 1_000; ms += 50) {
      hosts.ether.tick();
      await hosts.clock.advance(50);
    }
    await dying.stop();
    agents[crash.host] = await hosts.start(crash.host);
    await hosts.until(`the end after a crash ${crash.when} ${last} (${crash.at}) on ${crash.host}`, () =>
      isOver(hosts),
    );
  } else await hosts.until('the end', () => isOver(hosts));
  const after = { a: agents.a.crasher.effects().length, b: agents.b.crasher.effects().length };
  return { hosts, agents, before, after };
}

/** Long enough for anything that is still to go wrong. */
async function rest(hosts: Hosts) {
  for (let passed = 0; passed < 90_000; passed += 5_000) {
    hosts.ether.tick();
    await hosts.clock.advance(5_000);
  }
}

describe.each([
  ['VirtualMachine', 'Live', 'local'],
  ['VirtualMachine', 'Offline', 'local'],
  ['Container', 'Offline', 'local'],
  ['VirtualMachine', 'Live', 'postCopy'],
  ['VirtualMachine', 'Live', 'other'],
] as const)(
  'a %s that moves %s (%s), with an agent killed between any two side effects',
  (kind, type, pool) => {
    it.each(['a', 'b'] as const)(
      'on %s: it runs once, whole, on one of both hosts',
      async (host) => {
        const whole = await move(kind, type, pool);
        expect(whole.hosts.migration()?.status?.phase).toBe('Succeeded');
        expect(whole.after[host] - whole.before[host]).toBeGreaterThan(8);
        for (let at = whole.before[host] + 1; at <= whole.after[host]; at += 1) {
          for (const when of ['before', 'after'] as const) {
            const { hosts, agents } = await move(kind, type, pool, { host, at, when });
            await rest(hosts);
            const { phase } = hosts.migration()?.status ?? {};
            if (phase === 'Succeeded') expectWhole(hosts, kind, 'b', pool === 'postCopy' ? 'local' : pool);
            else expectWhole(hosts, kind, 'a');
            await agents.a.stop();
            await agents.b.stop();
          }
        }
      },
      300_000,
    );
  },
);
