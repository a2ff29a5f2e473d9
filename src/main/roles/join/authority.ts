/**
 * The authority of an API server that is known by the hash of its public key only: as in kubeadm, SHA-256 over the SubjectPublicKeyInfo (RFC
 * 7469, 2.4). Nothing is sent before the server has shown a certificate with that key.
 */
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { ReasonedError } from '../../../base/outcome.ts';

/** `sha256:` and 64 hex digits. */
export function authorityHash(pem: string | Buffer): string {
  const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return `sha256:${createHash('sha256').update(spki).digest('hex')}`;
}

/** Resolves with the PEM of the authority. Throws ReasonedError WrongAuthority, NoAuthority, Unreachable. */
export async function fetchAuthority(server: string, hash: string, timeoutMs: number): Promise<string> {
  const shown = await chainOf(new URL(server), timeoutMs);
  const found = shown.find(({ ca, publicKey }) => ca && hashOf(publicKey) === hash);
  if (found !== undefined) return `${found.toString().trim()}\n`;
  const authorities = shown.filter(({ ca }) => ca);
  if (authorities.length === 0) {
    throw new ReasonedError(
      'NoAuthority',
      `${server} does not show its authority: copy the authority's certificate here and name it with --ca-file`,
      { stalled: true },
    );
  }
  throw new ReasonedError(
    'WrongAuthority',
    `${server} is not the server that --ca-hash stands for: look at both once more, somebody may be in between`,
    { stalled: true },
  );
}

function hashOf(key: X509Certificate['publicKey']): string {
  return `sha256:${createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('hex')}`;
}

/** The certificates the server shows; who it is is not known yet. */
async function chainOf(server: URL, timeoutMs: number): Promise<X509Certificate[]> {
  const host = server.hostname.replace(/^\[|\]$/g, '');
  const port = Number(server.port === '' ? 443 : server.port);
  const socket = connect({ host, port, rejectUnauthorized: false, timeout: timeoutMs });
  socket.on('error', () => undefined);
  socket.on('timeout', () => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)));
  try {
    await once(socket, 'secureConnect');
    const chain: X509Certificate[] = [];
    const seen = new Set<string>();
    let next: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
    while (next?.raw !== undefined && !seen.has(next.fingerprint256)) {
      seen.add(next.fingerprint256);
      chain.push(new X509Certificate(next.raw));
      next = next.issuerCertificate;
    }
    return chain;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ReasonedError('Unreachable', `no answer from ${server.origin}: ${why}`);
  } finally {
    socket.destroy();
  }
}
