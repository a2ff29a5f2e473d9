/** A plain HTTPS client with a client certificate: it must not share code with what it tests. */
import { Agent, request } from 'node:https';
import { load } from 'js-yaml';

/** How a server is reached. */
export type Target = { url: string; ca: string; cert?: string; key?: string };

export type Answer = {
  code: number;
  headers: { [name: string]: string | string[] | undefined };
  text: string;
  body: unknown;
};

export type Client = {
  send(
    method: string,
    path: string,
    options?: {
      type?: string;
      accept?: string;
      body?: unknown;
      headers?: { [name: string]: string | string[] };
    },
  ): Promise<Answer>;
  close(): void;
};

/** Reads a target from a kubeconfig with embedded data. */
export function targetFromKubeconfig(text: string): Target {
  const config = load(text) as {
    clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
    users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
  };
  const [cluster] = config.clusters;
  const [user] = config.users;
  if (cluster === undefined || user === undefined)
    throw new Error('the kubeconfig names no cluster or no user');
  const plain = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
  return {
    url: cluster.cluster.server,
    ca: plain(cluster.cluster['certificate-authority-data']),
    cert: plain(user.user['client-certificate-data']),
    key: plain(user.user['client-key-data']),
  };
}

export function createClient(target: Target): Client {
  const { ca, cert, key } = target;
  const agent = new Agent({ keepAlive: true, ca, ...(cert && key ? { cert, key } : {}) });
  return {
    send: (method, path, options = {}) =>
      new Promise((resolve, reject) => {
        const { type = 'application/json', accept, body } = options;
        const bytes =
          body === undefined
            ? undefined
            : Buffer.isBuffer(body)
              ? body
              : Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
        const headers = {
          'user-agent': 'contract/1.0',
          ...(accept === undefined ? {} : { accept }),
          ...(bytes === undefined ? {} : { 'content-type': type, 'content-length': String(bytes.length) }),
          ...options.headers,
        };
        const outgoing = request(new URL(path, target.url), { method, agent, headers }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const text = Buffer.concat(chunks).toString('utf8');
            resolve({ code: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) });
          });
        });
        outgoing.on('error', reject);
        outgoing.end(bytes);
      }),
    close: () => agent.destroy(),
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
