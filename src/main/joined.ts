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
