/**
 * Why a host cannot take a guest: one table, each entry small and pure. A reason is read after the host's name, and holds no figures that change with
 * each guest.
 */
import type { Taint, Toleration } from '../../api/placement.ts';
import { flagsOf } from './cpuLevels.ts';
import type { Allocation } from './ledger.ts';
import type { Standing } from './neighbours.ts';
import type { Offer } from './offer.ts';
import type { Shape, Want } from './want.ts';

/** What is promised, and to whom, when the question is asked. */
export type Promises = { allocated: Readonly<Allocation>; standing: Standing };

export type Filter = {
  name: string;
} & (
  | {
      /** The answer depends on the host and the shape of the guest only: it is kept until one of them changes. */
      sees: 'Host';
      refuse(offer: Offer, shape: Shape): string | undefined;
    }
  | { sees: 'Promises'; refuse(offer: Offer, want: Want, promises: Promises): string | undefined }
);

/** The first that refuses gives the reason. */
export const FILTERS: readonly Filter[] = [
  {
    name: 'Name',
    sees: 'Host',
    refuse: ({ name }, { host }) => unless(host === undefined || host === name, `is not ${host}`),
  },
  { name: 'State', sees: 'Host', refuse: ({ shut }) => shut },
  { name: 'Group', sees: 'Host', refuse: ({ name }, { bound }) => outsideGroup(name, bound) },
  { name: 'Labels', sees: 'Host', refuse: missingLabel },
  { name: 'Taints', sees: 'Host', refuse: refusingTaint },
  { name: 'Hypervisor', sees: 'Host', refuse: missingHypervisor },
  { name: 'CPUModel', sees: 'Host', refuse: missingFlag },
  { name: 'Networks', sees: 'Host', refuse: missingBridge },
  { name: 'Pools', sees: 'Host', refuse: missingPool },
  {
    name: 'Memory',
    sees: 'Promises',
    refuse: ({ memoryBytes, memoryInWords: of }, want, { allocated }) =>
      unless(
        allocated.memoryBytes + want.memoryBytes <= memoryBytes,
        `has not enough memory left${of === undefined ? '' : ` of ${of}`}`,
      ),
  },
  {
    name: 'CPU',
    sees: 'Promises',
    refuse: ({ cpus }, want, { allocated }) =>
      unless(want.cpus === 0 || allocated.cpus + want.cpus <= cpus, 'has not enough CPUs left'),
  },
  {
    name: 'Neighbours',
    sees: 'Promises',
    refuse: ({ name }, _, { standing }) => standing.refusal(name),
  },
];

function unless(holds: boolean, reason: string): string | undefined {
  return holds ? undefined : reason;
}

/** Of the host with this name, for a guest that its group may bind. */
export function outsideGroup(name: string, bound: Shape['bound']): string | undefined {
  if (bound === undefined) return undefined;
  return unless(bound.hosts.includes(name), `is not in the restricted HAGroup ${bound.group}`);
}

function missingLabel({ labels }: Offer, { hostSelector }: Shape): string | undefined {
  const missing = hostSelector.find(([key, value]) => labels[key] !== value);
  return missing && `has not the label ${missing[0]}=${missing[1]}`;
}

function refusingTaint({ taints }: Offer, { tolerations }: Shape): string | undefined {
  const taint = taints.find((one) => one.effect === 'NoSchedule' && !isTolerated(one, tolerations));
  return (
    taint &&
    `has the taint ${taint.key}${taint.value === undefined ? '' : `=${taint.value}`} that the guest does not tolerate`
  );
}

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#concepts */
export function isTolerated(taint: Taint, tolerations: readonly Toleration[]): boolean {
  return tolerations.some(
    ({ key, operator, value, effect }) =>
      (effect === undefined || effect === taint.effect) &&
      (key === undefined || key === taint.key) &&
      (operator === 'Exists' || (value ?? '') === (taint.value ?? '')),
  );
}

function missingHypervisor({ accelerator, hasLxc }: Offer, { kind }: Shape): string | undefined {
  if (kind === 'Container') return unless(hasLxc, 'cannot run containers (LXC is missing)');
  return unless(accelerator !== 'none', 'cannot run virtual machines (QEMU is missing)');
}

/** Emulation has every flag; KVM shows only what the processor has. */
function missingFlag({ accelerator, flags }: Offer, { cpuModel }: Shape): string | undefined {
  if (cpuModel === undefined || accelerator !== 'kvm' || flags === undefined) return undefined;
  const missing = flagsOf(cpuModel).filter((flag) => !flags.has(flag));
  return unless(
    missing.length === 0,
    `lacks processor flags of ${cpuModel}: ${missing.slice(0, 8).join(', ')}`,
  );
}

function missingBridge(offer: Offer, { bridges }: Shape): string | undefined {
  const missing = bridges.find((bridge) => !offer.bridges.has(bridge));
  return missing && `has no bridge ${missing} that guests may use`;
}

function missingPool(offer: Offer, { pools }: Shape): string | undefined {
  for (const name of pools) {
    const reason = offer.pools.get(name);
    if (reason === undefined) return `does not have the pool ${name}`;
    if (reason !== '') return `cannot use the pool ${name} (${reason})`;
  }
  return undefined;
}
