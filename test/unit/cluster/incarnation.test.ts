import { expect, it } from 'vitest';
import { CLUSTER_CONFIG_MAP, SYSTEM_NAMESPACE } from '../../../src/api/cluster.ts';
import { ConfigMap } from '../../../src/api/core.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { raiseIncarnation } from '../../../src/cluster/incarnation/incarnation.ts';
import { createFakeClock } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';

const REF = { namespace: SYSTEM_NAMESPACE, name: CLUSTER_CONFIG_MAP };

/** What stands in the API after leaders have begun, and after a host was seen that knows a later one. */
async function afterLeaders(...hostsHaveSeen: (number | undefined)[]) {
  const client = createMemoryClient({ clock: createFakeClock() });
  const random = seededRandom();
  for (const atLeast of hostsHaveSeen) await raiseIncarnation(client, random, atLeast);
  const { incarnation, restored } = (await client.get(ConfigMap, REF)).data ?? {};
  return { incarnation, restored };
}

it('each leader raises the incarnation, also above what a leader beside it has stored', async () => {
  expect(await afterLeaders(undefined)).toEqual({ incarnation: '1', restored: undefined });
  expect(await afterLeaders(undefined, undefined)).toEqual({ incarnation: '2', restored: undefined });
  expect(await afterLeaders(undefined, undefined, 2)).toEqual({ incarnation: '3', restored: undefined });
});

it('an API that knows less than a host has seen was restored, which all later leaders are told', async () => {
  expect(await afterLeaders(undefined, 7)).toEqual({ incarnation: '8', restored: '8' });
  expect(await afterLeaders(undefined, 7, undefined)).toEqual({ incarnation: '9', restored: '8' });
  const client = createMemoryClient({ clock: createFakeClock() });
  await raiseIncarnation(client, seededRandom());
  expect(await raiseIncarnation(client, seededRandom(), 7)).toMatchObject({ incarnation: 8, restored: 8 });
});
