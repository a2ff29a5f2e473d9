/** The conditions of a Host that its agent owns: each shortage is named, with what to do about it. Pure. */
import type { Condition } from '../../api/meta.ts';
import { timeOf } from '../../base/clock.ts';
import type { HypervisorFacts } from '../../drivers/hypervisor/contract.ts';
import type { HostView } from './status.ts';

type Finding = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** All others (Ready and Schedulable are the manager's) are kept as they are. */
const OWNED: readonly string[] = [
  'AgentReady',
  'KVMAvailable',
  'LXCAvailable',
  'StorageReady',
  'NetworkReady',
  'ControlPlaneRolledBack',
  'OrphanedGuests',
];

export function hostConditions(before: readonly Condition[], view: HostView): Condition[] {
  const now = timeOf(view.now);
  const owned = findings(view, before).map((finding) => {
    const old = before.find(({ type, status }) => type === finding.type && status === finding.status);
    return {
      ...finding,
      message: finding.message.slice(0, 4_096),
      lastTransitionTime: old?.lastTransitionTime ?? now,
      ...(view.generation === undefined ? {} : { observedGeneration: view.generation }),
    };
  });
  return [...before.filter(({ type }) => !OWNED.includes(type)), ...owned];
}

function is(type: string, yes: boolean, reason: string, message: string): Finding {
  return { type, status: yes ? 'True' : 'False', reason, message };
}

function findings(view: HostView, before: readonly Condition[]): Finding[] {
  return [
    agentReady(view, before),
    kvmAvailable(view),
    lxcAvailable(view.containers),
    storageReady(view),
    networkReady(view),
    ...rolledBack(view),
    ...orphaned(view),
  ];
}

function agentReady({ trust, started, beginning }: HostView, before: readonly Condition[]): Finding {
  const known = started && trust.type !== 'Unknown';
  const said = before.find(({ type }) => type === 'AgentReady');
  if (beginning && !known && trust.type !== 'RolledBack' && said?.status === 'True') return said;
  if (!started) return is('AgentReady', false, 'Starting', 'the agent takes stock of its guests');
  if (trust.type === 'Trusted') return is('AgentReady', true, 'Running', '');
  return is('AgentReady', false, trust.reason, trust.message);
}

/** Without KVM machines run on TCG, slower: a fact and no error. */
function kvmAvailable({ machines, simulated }: HostView): Finding {
  if (simulated) return is('KVMAvailable', false, 'Simulated', 'the guests of this host are simulated');
  if (!machines.available) return unavailable('KVMAvailable', machines);
  if (machines.accelerator === 'kvm') return is('KVMAvailable', true, 'Usable', '');
  const why = machines.acceleratorReason ?? 'KVM did not run a test guest';
  return is('KVMAvailable', false, 'NotUsable', `${why}: virtual machines run on TCG, which is slower`);
}

function lxcAvailable(containers: HypervisorFacts): Finding {
  return containers.available
    ? is('LXCAvailable', true, 'Usable', '')
    : unavailable('LXCAvailable', containers);
}

function unavailable(type: string, { reason, message }: HypervisorFacts): Finding {
  return is(type, false, reason ?? 'Missing', message ?? 'install it and look again');
}

function storageReady({ pools }: HostView): Finding {
  const broken = [...pools].flatMap(([name, pool]) => {
    if (pool.type === 'Broken') return [`${name}: ${pool.message}`];
    if (pool.type === 'Open' && !pool.facts.healthy)
      return [`${name}: ${pool.facts.message ?? 'not healthy'}`];
    return [];
  });
  return broken.length === 0
    ? is('StorageReady', true, 'Healthy', '')
    : is('StorageReady', false, 'PoolUnhealthy', broken.sort().join('; '));
}

function networkReady({ network }: HostView): Finding {
  const first = network.problems[0];
  if (first === undefined) return is('NetworkReady', true, 'Ready', '');
  return is('NetworkReady', false, first.reason, network.problems.map(({ message }) => message).join('; '));
}

function rolledBack({ trust }: HostView): Finding[] {
  return trust.type === 'RolledBack' ? [is('ControlPlaneRolledBack', true, trust.reason, trust.message)] : [];
}

function orphaned({ orphans }: HostView): Finding[] {
  if (orphans.length === 0) return [];
  const names = orphans.slice(0, 20).join(', ');
  const message = `no object stands for ${names}: they are left as they are; create the object again to adopt one, or vireo down to remove all`;
  return [is('OrphanedGuests', true, 'ObjectGone', message)];
}
