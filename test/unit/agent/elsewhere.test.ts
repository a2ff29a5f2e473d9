import { expect, it } from 'vitest';
import { createElsewhere } from '../../../src/agent/cluster/elsewhere.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const RESTORED = 1_000;
const web = { uuid: 'u', uid: 'old', epoch: 5 };

/** What a is told about web when b, which has spoken to the restored API, lists this. */
async function whenListed(listed: { uid: string; epoch: number } | undefined) {
  const clock = createFakeClock();
  const client = createMemoryClient({ clock });
  const guests =
    listed === undefined ? [] : [{ uuid: 'u', kind: 'VirtualMachine', running: true, ...listed }];
  client.seed(Host, {
    ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Host', metadata: { name: 'b' }, spec: {} },
    status: { incarnation: RESTORED, inventoryAt: '2026-01-01T00:00:00Z', guests },
  } as unknown as Host);
  const elsewhere = createElsewhere({ host: 'a', client, now: () => clock.monotonic() });
  return elsewhere.ask(web, RESTORED, new AbortController().signal);
}

it('a guest that nobody has, or that another had before, is taken in', async () => {
  expect((await whenListed(undefined)).type).toBe('done');
  expect((await whenListed({ uid: 'old', epoch: 4 })).type).toBe('done');
});

it('a guest that another host was given later is not, nor one of whose name another host has one made for another object', async () => {
  expect(await whenListed({ uid: 'old', epoch: 6 })).toMatchObject({
    message: expect.stringContaining('later'),
  });
  expect(await whenListed({ uid: 'new', epoch: 1 })).toMatchObject({
    message: expect.stringContaining('another object'),
  });
});
