/** Agents get certificates from the manager, keep them fresh, and know each other by them. */
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createPeerIdentity, type PeerIdentity } from '../../../../src/agent/peers/identity.ts';
import { peerOf, readPeerName } from '../../../../src/agent/peers/names.ts';
import { accountUser, hostAccountName, SIGNERS, SYSTEM_NAMESPACE } from '../../../../src/api/cluster.ts';
import { CertificateSigningRequest, ServiceAccount } from '../../../../src/api/core.ts';
import { Host } from '../../../../src/api/kinds/host.ts';
import { silentLog } from '../../../../src/base/log.ts';
import { createMemoryClient } from '../../../../src/client/memory.ts';
import { agentAuthority } from '../../../../src/cluster/joining/authority.ts';
import { certificateController } from '../../../../src/cluster/joining/certificates.ts';
import { realFiles } from '../../../../src/main/world/files.ts';
import { realRandom } from '../../../../src/main/world/random.ts';
import { createManager } from '../../../../src/runtime/engine.ts';
import { createFakeClock } from '../../../world/fakeClock.ts';
import { seededRandom } from '../../../world/seededRandom.ts';

const HOUR = 3_600_000;
const uuid = (digit: string) => `${digit.repeat(8)}-1111-4111-8111-111111111111`;

let folder: string;
let stop: AbortController;
let lab: ReturnType<typeof createLab>;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-peers-'));
  stop = new AbortController();
  lab = createLab();
});

afterEach(async () => {
  stop.abort(new Error('the story is over'));
  await rm(folder, { recursive: true, force: true });
});

/** A manager that signs, over an API in memory that says who asks, as a server does. */
function createLab() {
  // Certificates are checked by TLS against the real time.
  const clock = createFakeClock(Date.now());
  const api = createMemoryClient({ clock });
  const world = { clock, random: seededRandom(), log: silentLog, files: realFiles(realRandom()) };
  const manager = createManager({ client: api, world, component: 'vireo-manager', host: 'm' });
  const requests = manager.informers.informer(CertificateSigningRequest, {
    fieldSelector: `spec.signerName=${SIGNERS.agent}`,
  });
  const authority = (signal: AbortSignal) => agentAuthority(api, clock, signal);
  manager.add(certificateController({ requests, clock, authority }));
  manager.run(stop.signal).catch(() => undefined);

  const join1 = (host: string, uid: string) => {
    api.seed(Host, {
      apiVersion: 'vireo.dev/v1alpha1',
      kind: 'Host',
      metadata: { name: host, uid },
      spec: {},
    });
    const metadata = { name: hostAccountName(host), namespace: SYSTEM_NAMESPACE, uid: `sa-${uid}` };
    api.seed(ServiceAccount, { apiVersion: 'v1', kind: 'ServiceAccount', metadata, spec: undefined });
    return `sa-${uid}`;
  };
  /** The API as the agent of `host` sees it. */
  const clientOf = (host: string, account: string): typeof api => ({
    ...api,
    create: (kind, object, how) => {
      if (kind.kind !== 'CertificateSigningRequest') return api.create(kind, object, how);
      const spec = { ...(object.spec as object), username: accountUser(hostAccountName(host)), uid: account };
      return api.create(kind, { ...object, spec }, how);
    },
  });
  const agent = (host: string, account: string, name = host): PeerIdentity => {
    const peers = createPeerIdentity({
      client: clientOf(host, account),
      world,
      host: name,
      stateDirectory: join(folder, host),
    });
    void peers.run(stop.signal);
    return peers;
  };
  /** Lets time pass until it is so; keys are made by threads that know no fake clock. */
  const until = async (what: () => boolean | Promise<boolean>) => {
    for (let round = 0; round < 500; round += 1) {
      if (await what()) return;
      await clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    throw new Error('waited in vain');
  };
  const isReady = async (peers: PeerIdentity) => {
    let ready = false;
    const given = new AbortController();
    const waiting = peers.ready(given.signal).then(
      () => {
        ready = true;
      },
      () => undefined,
    );
    await until(() => ready).finally(() => given.abort());
    await waiting;
  };
  return { clock, api, join: join1, agent, until, isReady };
}

/** What both ends of a connection say of each other. */
async function meet(server: PeerIdentity, client: PeerIdentity, name: string) {
  const listener = tls.createServer(server.server());
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  const accepted = once(listener, 'secureConnection') as Promise<[tls.TLSSocket]>;
  accepted.catch(() => undefined);
  const socket = tls.connect({ ...client.client(name), host: '127.0.0.1', port });
  try {
    await once(socket, 'secureConnect');
    const [other] = await accepted;
    return { client: peerOf(socket), server: peerOf(other) };
  } finally {
    socket.destroy();
    listener.close();
  }
}

describe('the certificates of agents', () => {
  it('let two hosts know each other by name and uid', async () => {
    const one = lab.agent('h1', lab.join('h1', uuid('1')));
    const two = lab.agent('h2', lab.join('h2', uuid('2')));
    await lab.isReady(one);
    await lab.isReady(two);
    expect(await meet(one, two, 'h1')).toEqual({
      client: { name: 'h1', uid: uuid('1') },
      server: { name: 'h2', uid: uuid('2') },
    });
    await expect(meet(one, two, 'h3')).rejects.toThrow(/h3/);
    expect(await one.isPeer('h2', uuid('2'))).toBe(true);
    expect(await one.isPeer('h2', uuid('3'))).toBe(false);
    expect(await one.isPeer('h9', uuid('2'))).toBe(false);
  });

  it('lie in the layout of QEMU, and are replaced as a whole after two thirds of their day', async () => {
    const one = lab.agent('h1', lab.join('h1', uuid('1')));
    await lab.isReady(one);
    const read = () => readFile(join(one.directory, 'server-cert.pem'), 'utf8');
    const first = await read();
    for (const [a, b] of [
      ['server-cert.pem', 'client-cert.pem'],
      ['server-key.pem', 'client-key.pem'],
    ] as const)
      expect(await readFile(join(one.directory, a), 'utf8')).toBe(
        await readFile(join(one.directory, b), 'utf8'),
      );
    // Without one QEMU spends seconds on making a group of its own, and answers nobody meanwhile.
    expect(await readFile(join(one.directory, 'dh-params.pem'), 'utf8')).toContain('DH PARAMETERS');
    await lab.clock.advance(15 * HOUR);
    expect(await read()).toBe(first);
    await lab.clock.advance(HOUR);
    await lab.until(async () => (await read()) !== first);
  });

  it('are used again after a restart, and asked for anew for a Host that was made anew', async () => {
    const one = lab.agent('h1', lab.join('h1', uuid('1')));
    await lab.isReady(one);
    const before = lab.api.state.list(CertificateSigningRequest).length;
    const again = lab.agent('h1', lab.join('h1', uuid('1')));
    await lab.isReady(again);
    expect(lab.api.state.list(CertificateSigningRequest)).toHaveLength(before);
    await lab.api.delete(Host, { name: 'h1' });
    const anew = lab.agent('h1', lab.join('h1', uuid('4')));
    await lab.until(() => lab.api.state.list(CertificateSigningRequest).length > before);
    await lab.until(async () => {
      const text = await readFile(join(anew.directory, 'client-cert.pem'));
      return readPeerName(new X509Certificate(text).subjectAltName)?.uid === uuid('4');
    });
  });

  it('are refused to an agent that asks for another name', async () => {
    lab.join('h2', uuid('2'));
    lab.agent('h1', lab.join('h1', uuid('1')), 'h2');
    const denied = () =>
      lab.api.state
        .list(CertificateSigningRequest)
        .map((request) => (request as CertificateSigningRequest).status?.conditions?.[0]);
    await lab.until(() => denied()[0] !== undefined);
    expect(denied()[0]).toMatchObject({ type: 'Denied', reason: 'NotTheHost' });
  });

  it('are read in one form only', () => {
    expect(readPeerName(`DNS:h1, URI:urn:uuid:${uuid('1')}`)).toEqual({ name: 'h1', uid: uuid('1') });
    for (const other of [
      undefined,
      '',
      'DNS:h1',
      `URI:urn:uuid:${uuid('1')}`,
      `DNS:h1, DNS:h2, URI:urn:uuid:${uuid('1')}`,
      `DNS:"h1, URI:urn:uuid:x", URI:urn:uuid:${uuid('1')}`,
    ])
      expect(readPeerName(other)).toBeUndefined();
  });
});
