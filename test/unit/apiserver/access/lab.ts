/** A server with an administrator, and service accounts that come with their tokens. */
import { type Answer, type Client, createClient } from '../../../contract/apiserver/client.ts';
import { type Embedded, startEmbedded } from '../../../contract/apiserver/embedded.ts';

/** Sends as somebody. */
export type Actor = (method: string, path: string, body?: unknown, type?: string) => Promise<Answer>;

export type Lab = {
  server: Embedded;
  admin: Actor;
  /** Somebody with this bearer token, with more headers if need be. */
  bearer(token: string, headers?: { [name: string]: string }): Actor;
  /** The administrator with more headers. */
  as(headers: { [name: string]: string }): Actor;
  /** Makes an account in a namespace (made too) and acts as it. */
  account(namespace: string, name: string): Promise<{ actor: Actor; token: string }>;
  stop(): Promise<void>;
};

export const rbac = '/apis/rbac.authorization.k8s.io/v1';
export const authorization = '/apis/authorization.k8s.io/v1';
export const authentication = '/apis/authentication.k8s.io/v1';
const rbacVersion = 'rbac.authorization.k8s.io/v1';

/** A Role, or a ClusterRole without a namespace. */
export function role(name: string, rules: object[], namespace?: string, more: object = {}): object {
  const kind = namespace === undefined ? 'ClusterRole' : 'Role';
  return { apiVersion: rbacVersion, kind, metadata: { name, ...more }, rules };
}

/** A binding of a ClusterRole to an account; in a namespace a RoleBinding. */
export function binding(
  name: string,
  roleName: string,
  account: [string, string],
  namespace?: string,
): object {
  const [home, accountName] = account;
  return {
    apiVersion: rbacVersion,
    kind: namespace === undefined ? 'ClusterRoleBinding' : 'RoleBinding',
    metadata: { name },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: roleName },
    subjects: [{ kind: 'ServiceAccount', namespace: home, name: accountName }],
  };
}

/** A value of an answer by its path. */
export function at(answer: Answer, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((value, key) => (value as Record<string, unknown> | undefined)?.[key], answer.body);
}

export async function startLab(options: Parameters<typeof startEmbedded>[0] = {}): Promise<Lab> {
  const server = await startEmbedded(options);
  const clients: Client[] = [];
  const actor = (target: Parameters<typeof createClient>[0], headers: { [name: string]: string }): Actor => {
    const client = createClient(target);
    clients.push(client);
    return (method, path, body, type) =>
      client.send(method, path, {
        headers,
        ...(body === undefined ? {} : { body }),
        ...(type === undefined ? {} : { type }),
      });
  };
  const { url, ca } = server.target;
  const admin = actor(server.target, {});
  const bearer: Lab['bearer'] = (token, headers = {}) =>
    actor({ url, ca }, { authorization: `Bearer ${token}`, ...headers });
  return {
    server,
    admin,
    as: (headers) => actor(server.target, headers),
    bearer,
    account: async (namespace, name) => {
      await admin('POST', '/api/v1/namespaces', {
        apiVersion: 'v1',
        kind: 'Namespace',
        metadata: { name: namespace },
      });
      const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
      await admin('POST', accounts, { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name } });
      const made = await admin('POST', `${accounts}/${name}/token`, {});
      const token = String(at(made, 'status.token'));
      return { actor: bearer(token), token };
    },
    stop: async () => {
      for (const client of clients) client.close();
      await server.stop();
    },
  };
}
