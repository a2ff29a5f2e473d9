/** Builders for cluster stories: hosts and guests with only what a story is about. */

import type { Container } from '../../../src/api/kinds/container.ts';
import type { Host, HostStatus } from '../../../src/api/kinds/host.ts';
import type { VirtualMachine, VirtualMachineSpec } from '../../../src/api/kinds/virtualMachine.ts';
import type { Stored } from '../../../src/api/meta.ts';

const identity = (name: string, namespace?: string) => ({
  name,
  ...(namespace === undefined ? {} : { namespace }),
  uid: `uid-${name}`,
  resourceVersion: '1',
  generation: 1,
});

/** A ready host with 16 GiB that can run everything and has the pool `local`. */
export function host(
  name: string,
  status: HostStatus = {},
  more: Partial<Host['metadata']> & { unschedulable?: boolean; spec?: Host['spec'] } = {},
): Stored<Host> {
  const { unschedulable, spec, ...metadata } = more;
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Host',
    metadata: { ...identity(name), ...metadata },
    spec: { ...spec, ...(unschedulable === undefined ? {} : { unschedulable }) },
    status: {
      state: 'Online',
      incarnation: 1,
      inventoryAt: '2026-01-01T00:00:00Z',
      lxc: '5.0.2',
      cpu: { count: 8, virtualization: 'none', accelerator: 'tcg' },
      allocatable: { cpu: 8, memory: '16Gi' },
      conditions: [
        {
          type: 'Ready',
          status: 'True',
          reason: 'AgentReady',
          message: '',
          lastTransitionTime: '2026-01-01T00:00:00Z',
        },
      ],
      pools: [{ name: 'local', healthy: true, snapshot: false, clone: false, thin: true, resize: true }],
      ...status,
    },
  };
}

export function notReady(reason: string): NonNullable<HostStatus['conditions']> {
  return [
    { type: 'Ready', status: 'False', reason, message: '', lastTransitionTime: '2026-01-01T00:00:00Z' },
  ];
}

/** A machine with 1 GiB and one blank disk in `local`. */
export function machine(
  name: string,
  spec: Partial<VirtualMachineSpec> = {},
  status?: VirtualMachine['status'],
): Stored<VirtualMachine> {
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'VirtualMachine',
    metadata: identity(name, 'default'),
    spec: {
      runStrategy: 'Always',
      memory: { size: '1Gi' },
      disks: [{ name: 'root', pool: 'local', size: '1Gi' }],
      ...spec,
    },
    ...(status === undefined ? {} : { status }),
  };
}

/** The guest with these labels. */
export function labelled<T extends Stored<VirtualMachine> | Stored<Container>>(
  labels: Readonly<Record<string, string>>,
  guest: T,
): T {
  return { ...guest, metadata: { ...guest.metadata, labels } };
}

export function container(name: string, spec: Partial<Container['spec']> = {}): Stored<Container> {
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Container',
    metadata: identity(name, 'default'),
    spec: { runStrategy: 'Always', image: 'busybox', rootfs: { pool: 'local' }, ...spec },
  };
}
