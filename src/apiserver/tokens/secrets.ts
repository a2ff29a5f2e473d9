/** Fills Secrets of type service-account-token with a token, and removes them with their account. */
import { setImmediate as breathe } from 'node:timers/promises';
import { keyOf, partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { bufferOf, decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { remove } from '../registry/remove.ts';
import { update } from '../registry/update.ts';
import { ApiError } from '../status.ts';
import { createKeyQueue } from '../upkeep/queue.ts';
import { internalWrite, type Upkeep } from '../upkeep/upkeep.ts';
import { readCore } from './accounts.ts';
import { legacyIssuer, secretClaims } from './claims.ts';
import type { Signer } from './signer.ts';

const tokenType = 'kubernetes.io/service-account-token';
const nameAnnotation = 'kubernetes.io/service-account.name';
const uidAnnotation = 'kubernetes.io/service-account.uid';

/** Secrets looked at without giving way to others. */
const slice = 100;

/** What the controller works with. */
export type SecretTokens = { secrets: Served; accounts: Served; signer: Signer; rootCa: string };

/** Starts the controller. */
export function fillTokenSecrets(
  context: Context,
  { secrets, accounts, signer, rootCa }: SecretTokens,
): Upkeep {
  const queue = createKeyQueue('the token of a Secret', context, settle);
  const isToken = (secret: KubeObject | undefined) => secret?.type === tokenType;
  const unfollow = [
    context.hub.follow({
      prefix: secrets.prefix,
      onEvent: (event) => {
        if (isToken(event.current(secrets))) queue.add(event.key);
      },
    }),
    context.hub.follow({
      prefix: accounts.prefix,
      onEvent: ({ key, change }) => {
        // Another uid under the same name is another account: what was for the old one must go.
        if (change.type === 'delete' || change.previous === undefined) addSecretsOf(key);
      },
    }),
  ];
  let closed = false;
  const scan = addAll().catch((error: unknown) =>
    context.log.error('the Secrets for tokens could not be looked through', { error: String(error) }),
  );

  /** In slices and without parsing what cannot be one: a start must not wait for thousands of Secrets. */
  async function addAll(): Promise<void> {
    let after: string | undefined;
    for (;;) {
      await breathe();
      if (closed) return;
      const { prefix } = secrets;
      const found = context.store.range({ prefix, limit: slice, ...(after === undefined ? {} : { after }) });
      for (const entry of found.entries) {
        if (bufferOf(entry.value).includes(tokenType) && isToken(decode(secrets, entry)))
          queue.add(entry.key);
        after = entry.key;
      }
      if (!found.more) return;
    }
  }

  function addSecretsOf(accountKey: string): void {
    const { namespace, name } = partsOf(accounts.prefix, accountKey);
    for (const entry of context.store.range({ prefix: keyOf(secrets.prefix, namespace, '') }).entries) {
      const secret = decode(secrets, entry);
      if (isToken(secret) && secret.metadata.annotations?.[nameAnnotation] === name) queue.add(entry.key);
    }
  }

  async function settle(key: string): Promise<void> {
    const entry = context.store.get(key);
    if (entry === undefined) return;
    const secret = decode(secrets, entry);
    const { namespace, name } = partsOf(secrets.prefix, key);
    if (!isToken(secret) || secret.metadata.deletionTimestamp !== undefined) return;
    const place = { served: secrets, namespace, name };
    const { [nameAnnotation]: accountName = '', [uidAnnotation]: uid } = secret.metadata.annotations ?? {};
    const account = readCore(context, 'serviceaccounts', namespace, accountName);
    try {
      if (account === undefined || (uid !== undefined && uid !== account.metadata.uid)) {
        // The uid makes sure that a Secret made anew meanwhile stays.
        await remove(context, place, { dryRun: false, uid: secret.metadata.uid ?? '' });
      } else if (!isFilled(secret, rootCa)) {
        const token = await tokenFor(secret, account);
        await update(
          context,
          place,
          { next: (old) => filled(old, secret, account, token, rootCa) },
          internalWrite,
        );
      }
    } catch (error) {
      if (!(error instanceof ApiError && (error.status.code === 404 || error.status.code === 409)))
        throw error;
    }
  }

  function tokenFor({ metadata }: KubeObject, account: KubeObject): Promise<string> {
    const { name = '', uid = '', namespace = '' } = account.metadata;
    const claims = { namespace, account: { name, uid }, secret: metadata.name ?? '' };
    const sub = `system:serviceaccount:${namespace}:${name}`;
    return signer.sign({ iss: legacyIssuer, sub, ...secretClaims(claims) });
  }

  return {
    close: async () => {
      closed = true;
      for (const end of unfollow) end();
      await scan;
      await queue.close();
    },
  };
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

function dataOf({ data }: KubeObject): Record<string, unknown> {
  return isRecord(data) ? data : {};
}

function isFilled(secret: KubeObject, rootCa: string): boolean {
  const { token, 'ca.crt': authority, namespace } = dataOf(secret);
  const wanted = base64(secret.metadata.namespace ?? '');
  return (
    Boolean(token) &&
    authority === base64(rootCa) &&
    namespace === wanted &&
    Boolean(secret.metadata.annotations?.[uidAnnotation])
  );
}

/** A token that is there already stays: its holders have it. */
function filled(
  old: KubeObject,
  seen: KubeObject,
  account: KubeObject,
  token: string,
  rootCa: string,
): KubeObject {
  // Replaced between the look and the write: its own event follows.
  if (old.metadata.uid !== seen.metadata.uid || old.immutable === true) return old;
  const { uid = '', namespace = '' } = account.metadata;
  const data = dataOf(old);
  return {
    ...old,
    metadata: { ...old.metadata, annotations: { ...old.metadata.annotations, [uidAnnotation]: uid } },
    data: {
      ...data,
      'ca.crt': base64(rootCa),
      namespace: base64(namespace),
      token: data.token || base64(token),
    },
  };
}
