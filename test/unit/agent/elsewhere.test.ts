import { expect, it } from 'vitest';
import { createElsewhere } from '../../../src/agent/cluster/elsewhere.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const RESTORED = 1_000;
const web = { uuid: 'u', uid: 'old', epoch: 5 };

const LIFE = { bootID: 'b1', term: 1 };

/** What a is told about web when b, which has spoken to the restored API, lists this. `proof`: of the end of a life of b. */
async function whenListed(listed: { uid: string; epoch: number } | undefined, proof?: object) {
  const clock = createFakeClock();
  const client = createMemoryClient({ clock });
  const guests =
    listed === undefined ? [] : [{ uuid: 'u', kind: 'VirtualMachine', running: true, ...listed }];
  client.seed(Host, {
    ...{ apiVersion: 'vireo.dev/v1alpha1', kind: 'Host', metadata: { name: 'b' }, spec: {} },
    status: {
      ...{ incarnation: RESTORED, inventoryAt: '2026-01-01T00:00:00Z', guests, keeper: LIFE },
      ...(proof === undefined ? {} : { ha: { state: 'Fenced', proof } }),
    },
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

it('a host that is lost keeps no guest of a name off it: nothing runs there any more', async () => {
  const other = { uid: 'new', epoch: 1 };
  expect((await whenListed(other, { ...LIFE, kind: 'PowerOff' })).type).toBe('done');
  // Of what it did not guard a self-fence says nothing, and a proof nothing of a later life.
  const kept = { message: expect.stringContaining('or the Host if it is gone for good') };
  expect(await whenListed(other, { ...LIFE, kind: 'SelfFence', covers: [] })).toMatchObject(kept);
  expect(await whenListed(other, { ...LIFE, bootID: 'b0', kind: 'NewBoot' })).toMatchObject(kept);
  expect(await whenListed({ uid: 'old', epoch: 6 }, { ...LIFE, kind: 'PowerOff' })).toMatchObject({
    message: expect.stringContaining('later'),
  });
});
