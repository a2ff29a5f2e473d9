/** Certificates of hosts as agents keep them: one authority, and a directory for each host in QEMU's layout (tls-creds-x509). */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DH_GROUP } from '../../../src/agent/peers/pki.ts';
import { makeKeyPair } from '../../../src/base/pki/certificates.ts';
import { realWorld } from '../../../src/main/world/world.ts';

/** Makes them below `directory`; answers with the directory of a host. */
export async function makeCertificates(
  directory: string,
  hosts: readonly string[],
): Promise<(host: string) => string> {
  const { clock } = realWorld();
  const authority = await makeKeyPair({ type: 'authority', commonName: 'agents' }, { days: 1, clock });
  for (const host of hosts) {
    const folder = join(directory, host);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeFile(join(folder, 'ca-cert.pem'), authority.certificate);
    await writeFile(join(folder, 'dh-params.pem'), DH_GROUP);
    const server = { type: 'server', commonName: host, hosts: [host] } as const;
    const client = { type: 'client', commonName: host, organizations: [] } as const;
    for (const purpose of [server, client]) {
      const pair = await makeKeyPair(purpose, { days: 1, clock, authority });
      await writeFile(join(folder, `${purpose.type}-cert.pem`), pair.certificate);
      await writeFile(join(folder, `${purpose.type}-key.pem`), pair.key, { mode: 0o600 });
    }
  }
  return (host) => join(directory, host);
}
