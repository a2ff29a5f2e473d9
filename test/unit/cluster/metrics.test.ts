/** What the leader says of hosts, guests and groups to Prometheus; and that docs/metrics.md knows every name. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FenceAction } from '../../../src/api/kinds/fenceAction.ts';
import { HAGroup } from '../../../src/api/kinds/haGroup.ts';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { silentLog } from '../../../src/base/log.ts';
import { createMetrics } from '../../../src/base/metrics.ts';
import { createInformers } from '../../../src/client/informers.ts';
import { createMemoryClient } from '../../../src/client/memory.ts';
import { addClusterMetrics } from '../../../src/cluster/metrics.ts';
import { createFakeClock, settle } from '../../world/fakeClock.ts';
import { seededRandom } from '../../world/seededRandom.ts';
import { host, machine } from './builders.ts';

const API = 'vireo.dev/v1alpha1';
const AT = '2026-01-01T00:00:00Z';

async function leader() {
  const clock = createFakeClock();
  const api = createMemoryClient({ clock });
  const informers = createInformers(api, { clock, random: seededRandom(), log: silentLog });
  const metrics = createMetrics();
  const end = addClusterMetrics(metrics, informers);
  const stop = new AbortController();
  return {
    ...{ api, end, stop },
    start: async () => {
      informers.start(stop.signal);
      await settle();
    },
    lines: (name: string) =>
      metrics
        .render()
        .split('\n')
        .filter((line) => line.startsWith(name)),
  };
}

describe('the metrics of a leader', () => {
  it('say how available guests and groups were, and what high availability makes of guests and hosts', async () => {
    const lab = await leader();
    const figures = { last30Days: '99.950', lastYear: '99.990' };
    lab.api.seed(
      VirtualMachine,
      machine(
        'db',
        { ha: {} },
        {
          phase: 'Running',
          ha: { state: 'Started', epoch: 1 },
          availability: { state: 'Up', since: AT, days: [], months: [], ...figures },
        },
      ),
    );
    lab.api.seed(VirtualMachine, machine('web'));
    lab.api.seed(Host, host('a', { state: 'Fenced', ha: { state: 'Fenced' } }));
    lab.api.seed(HAGroup, {
      ...{ apiVersion: API, kind: 'HAGroup', metadata: { name: 'g' }, spec: { hosts: [{ name: 'a' }] } },
      status: {
        members: 1,
        availability: figures,
        conditions: [
          {
            ...{ type: 'HostFailuresTolerated', status: 'False', reason: 'GuestsWouldWait', message: '' },
            lastTransitionTime: AT,
          },
        ],
      },
    });
    await lab.start();
    const of = 'kind="VirtualMachine",namespace="default",name="db"';
    expect(lab.lines('vireo_guest_availability_ratio')).toEqual([
      `vireo_guest_availability_ratio{${of},window="30d"} 0.9995`,
      `vireo_guest_availability_ratio{${of},window="1y"} 0.9999`,
    ]);
    expect(lab.lines('vireo_hagroup_availability_ratio')[0]).toBe(
      'vireo_hagroup_availability_ratio{hagroup="g",window="30d"} 0.9995',
    );
    expect(lab.lines('vireo_guest_ha_state')).toEqual([`vireo_guest_ha_state{${of},state="Started"} 1`]);
    expect(lab.lines('vireo_guests').sort()).toEqual([
      'vireo_guests{kind="VirtualMachine",phase="Pending"} 1',
      'vireo_guests{kind="VirtualMachine",phase="Running"} 1',
    ]);
    expect(lab.lines('vireo_host')).toEqual([
      'vireo_host_ha_state{host="a",state="Fenced"} 1',
      'vireo_hosts{state="Fenced"} 1',
    ]);
    expect(lab.lines('vireo_hagroup_condition')).toEqual([
      'vireo_hagroup_condition{hagroup="g",condition="HostFailuresTolerated"} 0',
    ]);
    expect(lab.lines('vireo_hagroup_members')).toEqual(['vireo_hagroup_members{hagroup="g"} 1']);
    lab.end();
    expect(lab.lines('vireo_')).toEqual([]);
    lab.stop.abort();
  });

  it('count each fence once, when it ends, and not those of an earlier leader', async () => {
    const lab = await leader();
    const action = (name: string, phase: 'Running' | 'PoweredOff') =>
      lab.api.seed(FenceAction, {
        ...{ apiVersion: API, kind: 'FenceAction', metadata: { name } },
        spec: {
          ...{ host: 'a', incident: 'i', bootID: 'b', term: 1, method: 'PowerOff', level: 0 },
          ...{ devices: ['bmc'], leaseVersion: '1' },
        },
        status: { phase },
      });
    action('old', 'PoweredOff');
    action('new', 'Running');
    await lab.start();
    expect(lab.lines('vireo_fence_actions_total')).toEqual([]);
    action('new', 'PoweredOff');
    action('new', 'PoweredOff');
    await settle();
    expect(lab.lines('vireo_fence_actions_total')).toEqual([
      'vireo_fence_actions_total{host="a",method="PowerOff",result="PoweredOff"} 1',
    ]);
    lab.stop.abort();
  });
});

it('docs/metrics.md has every metric that is made, and no other', () => {
  const root = resolve(import.meta.dirname, '../../..');
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(root, 'src', path), 'utf8'));
  const made = sources.flatMap((text) =>
    [...text.matchAll(/\.(?:counter|gauge|histogram)\(\s*'([a-z][a-z0-9_]+)'/g)].map(([, name]) => name),
  );
  const told = readFileSync(join(root, 'docs/metrics.md'), 'utf8').matchAll(/^\| `([a-z0-9_]+)` \|/gm);
  expect([...told].map(([, name]) => name).sort()).toEqual([...new Set(made)].sort());
  expect(made.length).toBeGreaterThan(15);
});
