/** The lease file of dnsmasq: who has really taken which address. One line each: expiry, MAC, address, name, client id (dnsmasq(8)). */
import type { Files } from '../../../base/files.ts';

export type Lease = { mac: string; address: string; line: string };

/** All leases on file, run out or not: dnsmasq removes those that have. */
export async function readLeases(files: Files, path: string): Promise<Lease[]> {
  const text = (await files.readText(path)) ?? '';
  return text
    .split('\n')
    .map((line) => ({ line, fields: line.split(' ') }))
    .filter(({ fields }) => fields.length >= 4 && /^\d+$/.test(fields[0] ?? ''))
    .map(({ line, fields }) => ({ mac: (fields[1] ?? '').toLowerCase(), address: fields[2] ?? '', line }));
}

/** Leaves only leases of these MACs. Only while dnsmasq is down: it keeps its own copy. */
export async function keepLeases(files: Files, path: string, macs: ReadonlySet<string>): Promise<void> {
  const kept = (await readLeases(files, path)).filter((lease) => macs.has(lease.mac));
  await files.writeAtomic(path, kept.map((lease) => `${lease.line}\n`).join(''));
}
