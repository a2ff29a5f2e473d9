/** Reads objects of a lab's API server without a program for each look: stories look ten times a second, several labs at once. */
import { readFile } from 'node:fs/promises';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

/** Plural names by what kubectl calls the kinds, and whether they lie in namespaces. */
const KINDS: Readonly<Record<string, { plural: string; namespaced: boolean }>> = {
  vm: { plural: 'virtualmachines', namespaced: true },
  ct: { plural: 'containers', namespaced: true },
  bak: { plural: 'backups', namespaced: true },
  mig: { plural: 'migrations', namespaced: true },
  rst: { plural: 'restores', namespaced: true },
  vhost: { plural: 'hosts', namespaced: false },
  pool: { plural: 'storagepools', namespaced: false },
  img: { plural: 'images', namespaced: false },
  vpolicy: { plural: 'clusterpolicies', namespaced: false },
  fa: { plural: 'fenceactions', namespaced: false },
  fence: { plural: 'fencedevices', namespaced: false },
};

const TIMEOUT_MS = 5_000;

export type Reader = {
  /** The object `KIND/NAME` of namespace default, or the list `KIND`; undefined when it does not exist. */
  find<T>(what: string): Promise<T | undefined>;
};

type Kubeconfig = {
  clusters: { cluster: { server: string; 'certificate-authority-data': string } }[];
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[];
};

/** The kubeconfig is read with the first look: it is made while the lab comes up. */
export function createReader(kubeconfig: string): Reader {
  let access: Promise<{ server: string; agent: Agent }> | undefined;

  async function open() {
    const { clusters, users } = parse(await readFile(kubeconfig, 'utf8')) as Kubeconfig;
    const [cluster, user] = [clusters[0]?.cluster, users[0]?.user];
    if (cluster === undefined || user === undefined) throw new Error(`${kubeconfig} has no cluster or user`);
    const decode = (text: string) => Buffer.from(text, 'base64');
    const agent = new Agent({
      keepAlive: true,
      ca: decode(cluster['certificate-authority-data']),
      cert: decode(user['client-certificate-data']),
      key: decode(user['client-key-data']),
    });
    return { server: cluster.server, agent };
  }

  return {
    find: async <T>(what: string) => {
      access ??= open();
      access.catch(() => {
        access = undefined;
      });
      const { server, agent } = await access;
      const { status, body } = await get(new URL(pathOf(what), server), agent);
      if (status === 404) return undefined;
      if (status !== 200) throw new Error(`${what}: ${status} ${body}`);
      return JSON.parse(body) as T;
    },
  };
}

function pathOf(what: string): string {
  const [kind = '', name] = what.split('/');
  const { plural, namespaced } = KINDS[kind] ?? { plural: kind, namespaced: true };
  const scope = namespaced ? 'namespaces/default/' : '';
  return `/apis/vireo.dev/v1alpha1/${scope}${plural}${name === undefined ? '' : `/${name}`}`;
}

function get(url: URL, agent: Agent): Promise<{ status: number; body: string }> {
  return new Promise((done, fail) => {
    const asked = request(url, { agent, timeout: TIMEOUT_MS }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('error', fail);
      answer.on('end', () => done({ status: answer.statusCode ?? 0, body: Buffer.concat(parts).toString() }));
    });
    asked.on('timeout', () => asked.destroy(new Error('the API server does not answer')));
    asked.on('error', fail);
    asked.end();
  });
}
