/** Kubeconfig files with everything embedded, so that one file is enough to reach the server. */
import type { Files } from '../../base/files.ts';
import type { KeyPair } from '../../base/pki/certificates.ts';

/** What a kubeconfig says. */
export type KubeconfigContent = {
  /** `https://host:port` */
  url: string;
  /** PEM of the authority that signed the server's certificate. */
  authority: string;
  client: KeyPair | { token: string };
  user: string;
  /** The name of cluster and context. */
  cluster: string;
};

/** The file's text. Values are written as JSON strings, which YAML reads alike. */
export function kubeconfigText({ url, authority, client, user, cluster }: KubeconfigContent): string {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const [name, who] = [JSON.stringify(cluster), JSON.stringify(user)];
  const credentials =
    'token' in client
      ? `    token: ${JSON.stringify(client.token)}`
      : `    client-certificate-data: ${base64(client.certificate)}
    client-key-data: ${base64(client.key)}`;
  return `apiVersion: v1
kind: Config
clusters:
- name: ${name}
  cluster:
    server: ${JSON.stringify(url)}
    certificate-authority-data: ${base64(authority)}
users:
- name: ${who}
  user:
${credentials}
contexts:
- name: ${name}
  context:
    cluster: ${name}
    user: ${who}
current-context: ${name}
`;
}

/** Writes the file for its owner's eyes only: it holds a private key. */
export async function writeKubeconfig(files: Files, path: string, content: KubeconfigContent): Promise<void> {
  await files.writeAtomic(path, kubeconfigText(content), { mode: 0o600 });
}
