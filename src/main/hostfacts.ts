/** What a host is: read from this machine, or made up for one that exists only on paper. */
import { createHash } from 'node:crypto';
import { hostname, networkInterfaces } from 'node:os';
import { type HostFacts, readHostFacts } from '../agent/host/facts.ts';
import type { World } from '../base/world.ts';

export function realHostFacts(world: World): () => Promise<HostFacts> {
  return () => readHostFacts(world.files, firstAddress());
}

/** The first address of this machine that others can reach. */
export function firstAddress(): string | undefined {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const reachable = addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return (reachable.find(({ family }) => family === 'IPv4') ?? reachable[0])?.address;
}

/** A machine with 64 CPUs and 512 GiB; boot and machine id derive from its name. */
export function simulatedHostFacts(host: string): () => Promise<HostFacts> {
  const hex = createHash('sha256').update(host).digest('hex');
  const uuid = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  return async () => ({
    bootID: uuid,
    machineID: hex.slice(32),
    kernel: 'simulated',
    cpu: { model: 'Simulated', vendor: 'Simulated', count: 64, virtualization: 'none', flags: [] },
    memoryBytes: 512 * 2 ** 30,
    kernelFeatures: [],
    cgroup: 'None',
  });
}

/** Name of the Host of this machine when none is given: its host name, in the letters names of objects may have. */
export function defaultHostName(): string {
  const plain = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9.-]/g, '-')
    .replaceAll(/^[-.]+|[-.]+$/g, '');
  return plain === '' ? 'localhost' : plain.slice(0, 63);
}

/** Names and addresses other machines may reach this one by. */
export function reachableNames(): string[] {
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.filter(({ internal, address }) => !internal && !address.startsWith('fe80:'));
  return [...new Set([hostname(), ...outside.map(({ address }) => address)])];
}
