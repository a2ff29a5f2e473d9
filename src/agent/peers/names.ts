/** How a certificate names a Host: by name, and by the uid of its object, so that a Host made anew is another one. Pure. */
import type { TLSSocket } from 'node:tls';

/** A Host as its certificate says. */
export type PeerName = { name: string; uid: string };

const UID = 'urn:uuid:';

/** The names a host asks to have in its certificate. */
export function alternativeNames({ name, uid }: PeerName): { type: 'dns' | 'url'; value: string }[] {
  return [
    { type: 'dns', value: name },
    { type: 'url', value: `${UID}${uid}` },
  ];
}

/** The one form Node shows such names in (tls, `subjectaltname`); anything else is no agent's certificate. */
const SHOWN = /^DNS:([a-z0-9]([a-z0-9.-]*[a-z0-9])?), URI:urn:uuid:([0-9a-f-]+)$/;

/** Reads `subjectaltname` of a certificate. */
export function readPeerName(shown: string | undefined): PeerName | undefined {
  const [, name, , uid] = SHOWN.exec(shown ?? '') ?? [];
  return name === undefined || uid === undefined ? undefined : { name, uid };
}

/** Who is at the other end of a connection; undefined unless the agents' authority has signed it. */
export function peerOf(socket: TLSSocket): PeerName | undefined {
  return socket.authorized ? readPeerName(socket.getPeerCertificate().subjectaltname) : undefined;
}
