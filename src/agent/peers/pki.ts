/**
 * A host's certificate on disk in the layout of QEMU's tls-creds-x509. A whole new directory is made and then shown by a symbolic link, so
 * that no reader ever sees a key beside another key's certificate. https://www.qemu.org/docs/master/system/tls.html
 */
import { join } from 'node:path';
import type { Files } from '../../base/files.ts';
import type { Random } from '../../base/random.ts';

/** PEM texts; the one certificate is for both directions. */
export type PeerFiles = { authority: string; certificate: string; key: string };

/**
 * The group ffdhe2048 of RFC 7919. Without one QEMU makes a group of its own each time it takes the certificates as a server, which can take
 * many seconds, and answers nobody meanwhile (tls-creds-x509, `dh-params.pem`).
 */
export const DH_GROUP = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
`;

const LINK = 'pki';
const FOLDER = /^pki-[0-9a-f]+$/;

/** Where the link is. */
export function pkiDirectory(stateDirectory: string): string {
  return join(stateDirectory, LINK);
}

/** What is there; undefined unless it is whole. */
export async function readPki(files: Files, stateDirectory: string): Promise<PeerFiles | undefined> {
  const directory = pkiDirectory(stateDirectory);
  const [authority, certificate, key] = await Promise.all(
    ['ca-cert.pem', 'server-cert.pem', 'server-key.pem'].map((name) => files.readText(join(directory, name))),
  );
  return authority === undefined || certificate === undefined || key === undefined
    ? undefined
    : { authority, certificate, key };
}

/** Replaces all at once; what was shown before stays one round longer for those that are reading it. */
export async function writePki(
  { files, random }: { files: Files; random: Random },
  stateDirectory: string,
  { authority, certificate, key }: PeerFiles,
): Promise<void> {
  const before = await files.readLink(pkiDirectory(stateDirectory));
  const name = `${LINK}-${Buffer.from(random.bytes(8)).toString('hex')}`;
  const directory = join(stateDirectory, name);
  await files.makeDirectory(directory, { mode: 0o700 });
  const contents: [string, string][] = [
    ['ca-cert.pem', authority],
    ['server-cert.pem', certificate],
    ['client-cert.pem', certificate],
    ['server-key.pem', key],
    ['client-key.pem', key],
    ['dh-params.pem', DH_GROUP],
  ];
  for (const [file, text] of contents) await files.writeAtomic(join(directory, file), text, { mode: 0o600 });
  const link = join(stateDirectory, `${LINK}.new`);
  await files.remove(link);
  await files.symlink(name, link);
  await files.rename(link, pkiDirectory(stateDirectory));
  for (const old of await files.list(stateDirectory)) {
    if (FOLDER.test(old) && old !== name && old !== before) await files.removeTree(join(stateDirectory, old));
  }
}
