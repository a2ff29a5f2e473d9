/** `vireo user create`: a person gets a client certificate, signed with the authority of the data directory, in a kubeconfig. */
import { join, resolve } from 'node:path';
import process from 'node:process';
import { kubeconfigText } from '../../apiserver/pki/kubeconfig.ts';
import { type KeyPair, makeKeyPair } from '../../base/pki/certificates.ts';
import type { World } from '../../base/world.ts';
import type { Layout } from '../layout.ts';

export type UserOptions = {
  name: string;
  groups: readonly string[];
  days: number;
  layout: Layout;
  /** Where the user reaches the API server; default: where the administrator does. */
  server: string | undefined;
  /** File to write; `-` is standard output. Default NAME.kubeconfig. */
  output: string | undefined;
};

/** Writes the kubeconfig; returns the exit code. Nothing is kept here: whoever has the file is the user until it expires. */
export async function runUserCreate(options: UserOptions, world: World): Promise<number> {
  const { name, groups, days, layout } = options;
  const refused = refusal(name);
  const authority = await readAuthority(layout, world);
  const url = options.server ?? (await serverOf(layout, world));
  if (refused !== undefined || authority === undefined || url === undefined) {
    process.stderr.write(`${refused ?? notThere(layout, authority)}\n`);
    return 1;
  }
  const client = await makeKeyPair(
    { type: 'client', commonName: name, organizations: groups },
    { days, clock: world.clock, authority },
  );
  const text = kubeconfigText({
    url,
    authority: authority.certificate,
    client,
    user: name,
    cluster: 'default',
  });
  if (options.output === '-') {
    process.stdout.write(text);
    return 0;
  }
  const path = resolve(options.output ?? `${name.replace(/[^A-Za-z0-9._@-]/g, '_')}.kubeconfig`);
  await world.files.writeAtomic(path, text, { mode: 0o600 });
  const ends = new Date(world.clock.now() + days * 86_400_000).toISOString().slice(0, 10);
  process.stdout.write(
    `${path} is good until ${ends}; give ${JSON.stringify(name)} rights with a RoleBinding\n`,
  );
  return 0;
}

/** Names of the system are those of its parts: a person by such a name would have their rights. */
function refusal(name: string): string | undefined {
  if (name === '' || name.length > 64) return 'a name has 1 to 64 characters';
  return name.startsWith('system:') ? 'names that begin with "system:" belong to the system' : undefined;
}

async function readAuthority(layout: Layout, { files }: World): Promise<KeyPair | undefined> {
  const directory = join(layout.apiserver, 'pki');
  const [certificate, key] = await Promise.all([
    files.readText(join(directory, 'ca.crt')),
    files.readText(join(directory, 'ca.key')),
  ]);
  return certificate === undefined || key === undefined ? undefined : { certificate, key };
}

/** The line is ours: kubeconfigText wrote it. */
async function serverOf(layout: Layout, { files }: World): Promise<string | undefined> {
  const text = (await files.readText(layout.kubeconfig)) ?? '';
  return /^ {4}server: "([^"]+)"$/m.exec(text)?.[1];
}

function notThere({ apiserver, kubeconfig }: Layout, authority: KeyPair | undefined): string {
  return authority === undefined
    ? `there is no authority in ${apiserver}/pki: start the API server once, or name its data directory with --data-dir`
    : `${kubeconfig} names no server: say with --server https://HOST:PORT where it is`;
}
