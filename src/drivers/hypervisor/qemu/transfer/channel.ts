/**
 * How the two QEMUs of a guest talk: certificates, the way memory is sent, and ports. Both ends are told the same, each by its own host.
 * https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html (Migration)
 */
import type { SendOptions, TransferTls } from '../../contract.ts';
import type { PortRange, QemuContext } from '../context.ts';
import { type QmpConnection, QmpError } from '../qmp.ts';

/** Id of the object that holds the certificates, on either side. */
const credentials = 'tls-transfer';
/** Id of the object that says whom a target lets in. */
const admission = 'tls-transfer-peer';
/** Ports a target listens on, as those who set up firewalls need to know: the range Proxmox VE and libvirt users open, and a little more. */
export const defaultPorts: PortRange = { first: 60_000, count: 1_000 };
const portTries = 50;

export type Method = { channels?: number; compression?: SendOptions['compression'] };

type End = 'client' | 'server';

/**
 * Gives QEMU this host's certificates; the other end has to show one of the same authority in the name of the host it should be: a client
 * looks at the names in it, a server at its subject (authz-simple). Nothing without TLS.
 */
export async function useCertificates(
  monitor: QmpConnection,
  tls: TransferTls | undefined,
  end: End,
): Promise<void> {
  await dropCertificates(monitor);
  if (tls === undefined) return;
  await monitor.execute('object-add', {
    'qom-type': 'tls-creds-x509',
    id: credentials,
    dir: tls.directory,
    endpoint: end,
    'verify-peer': true,
  });
  if (end === 'client') return;
  await monitor.execute('object-add', {
    'qom-type': 'authz-simple',
    id: admission,
    identity: `CN=${tls.peer}`,
  });
}

/** A renewed certificate is read by a new object only. */
export async function dropCertificates(monitor: QmpConnection): Promise<void> {
  for (const id of [credentials, admission]) await unlessRefused(monitor.execute('object-del', { id }));
}

/** What an address of the other end needs beside host and port. */
export function tlsOf(tls: TransferTls | undefined, end: End): Readonly<Record<string, string>> {
  if (tls === undefined) return {};
  return end === 'server'
    ? { 'tls-creds': credentials, 'tls-authz': admission }
    : { 'tls-creds': credentials, 'tls-hostname': tls.peer };
}

/** Capabilities and parameters that both ends must share. */
export async function agreeOn(
  monitor: QmpConnection,
  method: Method,
  own: { capabilities: Readonly<Record<string, boolean>>; parameters: Readonly<Record<string, unknown>> },
): Promise<void> {
  const channels = method.channels ?? 1;
  const zstd = method.compression === 'Zstd';
  // Compression of whole connections is multifd's; one connection may do it too.
  const multifd = channels > 1 || zstd;
  const capabilities = { events: true, multifd, ...own.capabilities };
  await monitor.execute('migrate-set-capabilities', {
    capabilities: Object.entries(capabilities).map(([capability, state]) => ({ capability, state })),
  });
  const shared = multifd
    ? { 'multifd-channels': channels, 'multifd-compression': zstd ? 'zstd' : 'none' }
    : {};
  await monitor.execute('migrate-set-parameters', { ...shared, ...own.parameters });
}

/**
 * Has guest and QEMU tell the network where the guest is now, several times: switches send it nothing until they learn it, and the other
 * host's process has announced itself as soon as it had the memory. https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html (announce-self)
 */
export async function announce(monitor: QmpConnection): Promise<void> {
  const times = { initial: 50, max: 550, rounds: 5, step: 50 };
  await unlessRefused(monitor.execute('announce-self', times));
}

/** Where memory is sent to; an IPv6 address goes into brackets. */
export function uriOf(address: string, port: number): string {
  return `tcp:${address.includes(':') ? `[${address}]` : address}:${port}`;
}

/** Tries ports until QEMU could listen on one. Throws QmpError with QEMU's last word. */
export async function listenOn(
  { world, transferPorts: { first, count } }: Pick<QemuContext, 'world' | 'transferPorts'>,
  listen: (port: number) => Promise<unknown>,
): Promise<number> {
  let start: number | undefined;
  for (let attempt = 1; ; attempt += 1) {
    const [high = 0, low = 0] = world.random.bytes(2);
    // From a chance beginning one after the other: a small range is tried as a whole.
    start ??= high * 256 + low;
    const port = first + ((start + attempt) % count);
    try {
      await listen(port);
      return port;
    } catch (error) {
      const taken = error instanceof QmpError && /in use/i.test(error.message);
      if (!taken || attempt >= portTries) throw error;
    }
  }
}

/** What QEMU refuses because it is done already, or was never begun, is no matter. */
export async function unlessRefused(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
  }
}
