/** Each namespace has a ServiceAccount `default` and a ConfigMap with the certificate of the authority, for programs in it. */
import { keyOf, partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { bufferOf, decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { create } from '../registry/create.ts';
import { update } from '../registry/update.ts';
import { ApiError } from '../status.ts';
import { createKeyQueue } from '../upkeep/queue.ts';
import { internalWrite, type Upkeep } from '../upkeep/upkeep.ts';

const accountName = 'default';
const rootCaName = 'kube-root-ca.crt';
const rootCaNote = {
  'kubernetes.io/description':
    'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.',
};

/** The served kinds and the authority's certificate (PEM). */
export type NamespaceFurniture = { namespaces: Served; accounts: Served; maps: Served; rootCa: string };

/** Puts both into one namespace where they are missing; nothing into one that ends. */
export async function furnish(context: Context, parts: NamespaceFurniture, namespace: string): Promise<void> {
  const entry = context.store.get(keyOf(parts.namespaces.prefix, undefined, namespace));
  if (entry === undefined) return;
  if (decode(parts.namespaces, entry).metadata.deletionTimestamp !== undefined) return;
  await Promise.all(
    [ensureAccount(context, parts, namespace), ensureRootCa(context, parts, namespace)].map(unlessGone),
  );
}

/** The namespace may end, or somebody else be faster, at any moment; both are fine. */
async function unlessGone(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof ApiError && [403, 404, 409].includes(error.status.code))) throw error;
  }
}

async function ensureAccount(
  context: Context,
  { accounts }: NamespaceFurniture,
  namespace: string,
): Promise<void> {
  if (context.store.get(keyOf(accounts.prefix, namespace, accountName)) !== undefined) return;
  const account: KubeObject = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: accountName } };
  await create(context, accounts, namespace, account, internalWrite);
}

async function ensureRootCa(
  context: Context,
  { maps, rootCa }: NamespaceFurniture,
  namespace: string,
): Promise<void> {
  const entry = context.store.get(keyOf(maps.prefix, namespace, rootCaName));
  const data = { 'ca.crt': rootCa };
  if (entry === undefined) {
    const metadata = { name: rootCaName, annotations: rootCaNote };
    await create(
      context,
      maps,
      namespace,
      { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
      internalWrite,
    );
    return;
  }
  const stored = decode(maps, entry);
  if (isRecord(stored.data) && stored.data['ca.crt'] === rootCa) return;
  const place = { served: maps, namespace, name: rootCaName };
  await update(context, place, { next: (old) => ({ ...old, data }) }, internalWrite);
}

/** Furnishes all namespaces there are, then each new one, and puts back what is taken away. */
export async function furnishNamespaces(context: Context, parts: NamespaceFurniture): Promise<Upkeep> {
  const { namespaces, accounts, maps } = parts;
  const queue = createKeyQueue('the furniture of a namespace', context, (name) =>
    furnish(context, parts, name),
  );
  const nameOf = (key: string) => partsOf(namespaces.prefix, key).name;
  const unfollow = [
    context.hub.follow({
      prefix: namespaces.prefix,
      onEvent: ({ change }) => {
        if (change.type === 'put' && change.previous === undefined) queue.add(nameOf(change.key));
      },
    }),
    context.hub.follow({
      prefix: accounts.prefix,
      onEvent: ({ change }) => {
        const { namespace, name } = partsOf(accounts.prefix, change.key);
        if (change.type === 'delete' && name === accountName) queue.add(namespace ?? '');
      },
    }),
    context.hub.follow({
      prefix: maps.prefix,
      onEvent: ({ change }) => {
        const { namespace, name } = partsOf(maps.prefix, change.key);
        if (name === rootCaName && !isOurs(change)) queue.add(namespace ?? '');
      },
    }),
  ];
  function isOurs(change: { type: 'put'; value: Uint8Array } | { type: 'delete' }): boolean {
    return change.type === 'put' && bufferOf(change.value).includes(JSON.stringify(parts.rootCa));
  }
  const known = context.store.range({ prefix: namespaces.prefix }).entries.map(({ key }) => nameOf(key));
  await Promise.all(known.map((name) => furnish(context, parts, name)));
  return {
    close: async () => {
      for (const end of unfollow) end();
      await queue.close();
    },
  };
}
