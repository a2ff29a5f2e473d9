/** What a machine keeps of having joined: a kubeconfig with its host's token, and which host it is, in the agent's state directory. */
import { join } from 'node:path';
import { writeKubeconfig } from '../apiserver/pki/kubeconfig.ts';
import type { Files } from '../base/files.ts';

export type HostCredentials = {
  host: string;
  /** `https://host:port` */
  server: string;
  /** PEM of the authority of the API server. */
  authority: string;
  token: string;
};

/** The kubeconfig of the agent. */
export function hostKubeconfig(stateDirectory: string): string {
  return join(stateDirectory, 'kubeconfig');
}

/** Writes it, mode 0600, unless it says the same already; resolves with its path. */
export async function writeHostKubeconfig(
  files: Files,
  stateDirectory: string,
  { host, server, authority, token }: HostCredentials,
): Promise<string> {
  const path = hostKubeconfig(stateDirectory);
  const content = { url: server, authority, client: { token }, user: `host-${host}`, cluster: 'vireo' };
  await writeKubeconfig(files, path, content);
  return path;
}

/** That this machine has joined: written last, so that what it names is there. */
export type Joined = { host: string; server: string };

const MARK = 'joined.json';

export async function markJoined(files: Files, stateDirectory: string, joined: Joined): Promise<void> {
  await files.writeAtomic(join(stateDirectory, MARK), `${JSON.stringify(joined)}\n`, { mode: 0o600 });
}

/** Undefined on a machine that has not joined, or not to the end. */
export async function readJoined(files: Files, stateDirectory: string): Promise<Joined | undefined> {
  const text = await files.readText(join(stateDirectory, MARK));
  return text === undefined ? undefined : (JSON.parse(text) as Joined);
}
