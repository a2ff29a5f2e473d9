/**
 * Where the API server is and how to prove who we are, from a kubeconfig file or from inside a cluster's pod. The format:
 * https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/
 */
import { dirname, isAbsolute, join } from 'node:path';
import { CORE_SCHEMA, load } from 'js-yaml';
import type { Files } from '../base/files.ts';
import { ReasonedError } from '../base/outcome.ts';
import type { JsonObject } from './patch.ts';
import { isJsonObject } from './patch.ts';
import { pluginCredentials } from './plugin.ts';

/** Proof of identity for one request or connection. It is asked for again and again: tokens rotate. */
export type Credentials = { authorization?: string; certificate?: string; key?: string };

export type Kubeconfig = {
  /** Base URL; its path, if any, stands before each request's path. */
  server: string;
  /** The context's namespace; `default` when it names none. */
  namespace: string;
  /** PEM of the authorities that may sign the server; the system's when absent. */
  authority?: string;
  /** Name in the server's certificate when it is not the host of `server`. */
  serverName?: string;
  /** True: the server's certificate is not checked. */
  insecure: boolean;
  credentials(): Promise<Credentials>;
};

function unusable(message: string): ReasonedError {
  return new ReasonedError('InvalidKubeconfig', message, { stalled: true });
}

function textOf(object: JsonObject, name: string): string | undefined {
  const value = object[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The entry called `name` of one of the file's three lists, without its name. */
function entryOf(config: JsonObject, list: string, field: string, name: string): JsonObject {
  const entries = config[list];
  const found = (Array.isArray(entries) ? entries : []).find(
    (entry) => isJsonObject(entry) && entry.name === name,
  );
  const value: unknown = isJsonObject(found) ? found[field] : undefined;
  if (!isJsonObject(value)) throw unusable(`the kubeconfig has no entry "${name}" in ${list}`);
  return value;
}

type Reader = (path: string) => Promise<string>;

/** Paths in a kubeconfig are relative to the file itself. */
function readerBeside(file: string, files: Files): Reader {
  return async (path) => {
    const full = isAbsolute(path) ? path : join(dirname(file), path);
    const text = await files.readText(full);
    if (text === undefined) throw unusable(`${file} names ${full}, which does not exist`);
    return text;
  };
}

/** `NAME-data` in base64, or the file that `NAME` points to. */
async function pemOf(object: JsonObject, name: string, read: Reader): Promise<string | undefined> {
  const data = textOf(object, `${name}-data`);
  if (data !== undefined) return Buffer.from(data, 'base64').toString('utf8');
  const path = textOf(object, name);
  return path === undefined ? undefined : read(path);
}

async function userCredentials(user: JsonObject, read: Reader): Promise<Credentials> {
  const tokenFile = textOf(user, 'tokenFile');
  const token = tokenFile === undefined ? textOf(user, 'token') : (await read(tokenFile)).trim();
  const name = textOf(user, 'username');
  const basic = Buffer.from(`${name ?? ''}:${textOf(user, 'password') ?? ''}`).toString('base64');
  const certificate = await pemOf(user, 'client-certificate', read);
  const key = await pemOf(user, 'client-key', read);
  return {
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(token !== undefined || name === undefined ? {} : { authorization: `Basic ${basic}` }),
    ...(certificate === undefined ? {} : { certificate }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Reads one kubeconfig file. Throws ReasonedError InvalidKubeconfig with what is wrong in it. */
export async function loadKubeconfig(options: {
  path: string;
  files: Files;
  /** Default: the file's current-context. */
  context?: string;
}): Promise<Kubeconfig> {
  const { path, files } = options;
  const text = await files.readText(path);
  if (text === undefined || text.trim() === '') throw unusable(`there is no kubeconfig at ${path}`);
  const config: unknown = load(text, { schema: CORE_SCHEMA });
  if (!isJsonObject(config)) throw unusable(`${path} is no kubeconfig`);
  const contextName = options.context ?? textOf(config, 'current-context') ?? '';
  const context = entryOf(config, 'contexts', 'context', contextName);
  const cluster = entryOf(config, 'clusters', 'cluster', textOf(context, 'cluster') ?? '');
  const userName = textOf(context, 'user');
  const user = userName === undefined ? {} : entryOf(config, 'users', 'user', userName);
  const server = textOf(cluster, 'server');
  if (server === undefined)
    throw unusable(`the cluster of context "${contextName}" in ${path} has no server`);
  if (textOf(cluster, 'proxy-url') !== undefined) throw unusable(`${path}: proxy-url is not supported`);

  const read = readerBeside(path, files);
  const authority = await pemOf(cluster, 'certificate-authority', read);
  const serverName = textOf(cluster, 'tls-server-name');
  const hasPlugin = isJsonObject(user.exec) || isJsonObject(user['auth-provider']);
  return {
    server,
    namespace: textOf(context, 'namespace') ?? 'default',
    insecure: cluster['insecure-skip-tls-verify'] === true,
    ...(authority === undefined ? {} : { authority }),
    ...(serverName === undefined ? {} : { serverName }),
    credentials: hasPlugin ? pluginCredentials(text, contextName) : () => userCredentials(user, read),
  };
}

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount';

/** The service account of the pod we run in; undefined outside a cluster. The token file is read again: it rotates. */
export async function inClusterKubeconfig(options: {
  files: Files;
  environment: Readonly<Record<string, string | undefined>>;
}): Promise<Kubeconfig | undefined> {
  const { files, environment } = options;
  const host = environment.KUBERNETES_SERVICE_HOST;
  const port = environment.KUBERNETES_SERVICE_PORT ?? '443';
  const authority = await files.readText(`${SERVICE_ACCOUNT}/ca.crt`);
  if (host === undefined || authority === undefined) return undefined;
  const namespace = await files.readText(`${SERVICE_ACCOUNT}/namespace`);
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    namespace: namespace?.trim() ?? 'default',
    insecure: false,
    authority,
    credentials: async () => {
      const token = await files.readText(`${SERVICE_ACCOUNT}/token`);
      return { authorization: `Bearer ${token?.trim() ?? ''}` };
    },
  };
}
