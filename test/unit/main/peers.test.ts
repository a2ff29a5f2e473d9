/** Agents reach each other by mutual TLS, each sure of who the other is. */
import { webcrypto } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import type { PeerIdentity } from '../../../src/agent/peers/identity.ts';
import { tlsPeers } from '../../../src/main/peers.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const uidOf = (name: string) => `${name.repeat(8).slice(0, 8)}-1111-4111-8111-111111111111`;

/** A cluster's authority that gives hosts their certificates. */
async function cluster() {
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const dates = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const basic = new x509.BasicConstraintsExtension(true, 0, true);
  const root = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=agents',
    keys,
    signingAlgorithm: algorithm,
    extensions: [basic],
    ...dates,
  });
  const gone = new Set<string>();

  const identityOf = async (name: string): Promise<PeerIdentity> => {
    const own = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    const names = new x509.SubjectAlternativeNameExtension([
      { type: 'dns', value: name },
      { type: 'url', value: `urn:uuid:${uidOf(name)}` },
    ]);
    const certificate = await x509.X509CertificateGenerator.create({
      subject: `CN=${name}`,
      issuer: root.subject,
      publicKey: own.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      extensions: [names],
      ...dates,
    });
    const key = x509.PemConverter.encode(
      await webcrypto.subtle.exportKey('pkcs8', own.privateKey),
      'PRIVATE KEY',
    );
    const both = { ca: root.toString('pem'), cert: certificate.toString('pem'), key };
    return {
      directory: '/state/pki',
      ready: async () => {},
      server: () => ({ ...both, requestCert: true, rejectUnauthorized: true }),
      client: (peer) => ({ ...both, servername: peer }),
      isPeer: async (peer, uid) => uid === uidOf(peer) && !gone.has(peer),
      run: async () => {},
    };
  };
  return { identityOf, gone };
}

async function firstLine(stream: Duplex): Promise<string> {
  const [chunk] = (await once(stream, 'data')) as [Buffer];
  return chunk.toString();
}

describe('agents', () => {
  it('speak with each other, each knowing the name of the other', async () => {
    const { identityOf } = await cluster();
    const [a, b] = [
      tlsPeers(await identityOf('a'), () => '127.0.0.1'),
      tlsPeers(await identityOf('b'), () => '127.0.0.1'),
    ];
    a.serve((peer, stream) => stream.end(`hello ${peer}`));
    const stream = await b.connect('a', await a.place(), AbortSignal.timeout(5_000));
    expect(await firstLine(stream)).toBe('hello b');
    stream.destroy();
    await a.close();
  });

  it('listen on the port their host has chosen for them, or say that it is taken', async () => {
    const { identityOf } = await cluster();
    const first = tlsPeers(await identityOf('a'), () => '127.0.0.1');
    const { port } = await first.place();
    const second = tlsPeers(await identityOf('a'), () => '127.0.0.1', port);
    await expect(second.place()).rejects.toMatchObject({
      reason: 'PeerPortTaken',
      message: expect.stringContaining('choose another peerPort in agent.yaml'),
    });
    await first.close();
    expect(await second.place()).toEqual({ address: '127.0.0.1', port });
    await second.close();
  });

  it('do not take one host for another', async () => {
    const { identityOf } = await cluster();
    const [a, b] = [
      tlsPeers(await identityOf('a'), () => '127.0.0.1'),
      tlsPeers(await identityOf('b'), () => '127.0.0.1'),
    ];
    await expect(b.connect('c', await a.place(), AbortSignal.timeout(5_000))).rejects.toMatchObject({
      reason: 'PeerUnreachable',
    });
    await a.close();
  });

  it('live on when a connection breaks while the API is asked who the other end is', async () => {
    const { identityOf } = await cluster();
    const a = tlsPeers(await identityOf('a'), () => '127.0.0.1');
    const broken = new AbortController();
    const isPeer: PeerIdentity['isPeer'] = async () => {
      broken.abort();
      return true;
    };
    const b = tlsPeers({ ...(await identityOf('b')), isPeer }, () => '127.0.0.1');
    await expect(b.connect('a', await a.place(), broken.signal)).rejects.toMatchObject({
      reason: 'PeerUnreachable',
      message: expect.stringContaining('given up'),
    });
    await a.close();
  });

  it('hear nobody of another cluster, and nobody whose Host is gone', async () => {
    const { identityOf, gone } = await cluster();
    const a = tlsPeers(await identityOf('a'), () => '127.0.0.1');
    const heard: string[] = [];
    a.serve((peer, stream) => {
      heard.push(peer);
      stream.end('hello');
    });
    const place = await a.place();
    const stranger = tlsPeers(await (await cluster()).identityOf('b'), () => '127.0.0.1');
    await expect(stranger.connect('a', place, AbortSignal.timeout(5_000))).rejects.toMatchObject({
      reason: 'PeerUnreachable',
    });
    gone.add('b');
    const removed = tlsPeers(await identityOf('b'), () => '127.0.0.1');
    const stream = await removed.connect('a', place, AbortSignal.timeout(5_000));
    stream.on('error', () => undefined);
    await once(stream.resume(), 'close');
    expect(heard).toEqual([]);
    await a.close();
  });
});
