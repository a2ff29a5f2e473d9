/** Signs approved requests for client certificates of this server; requests to other signers are left to those. */

import {
  type ClientUsage,
  clientUsages,
  expectRequests,
  type KeyPair,
  signRequest,
  subjectOf,
} from '../../base/pki/certificates.ts';
import { mastersGroup } from '../access/rbac/authorizer.ts';
import { clientSigner } from '../access/signers.ts';
import { keyOf, partsOf } from '../catalog/keys.ts';
import type { Served } from '../catalog/served.ts';
import { conditionsOf, specOf, statusOf } from '../kinds/certificaterules.ts';
import type { KubeObject } from '../object.ts';
import { decode } from '../registry/codec.ts';
import type { Context } from '../registry/context.ts';
import { update } from '../registry/update.ts';
import { ApiError } from '../status.ts';
import { createKeyQueue } from './queue.ts';
import { internalWrite, type Upkeep } from './upkeep.ts';

/** The longest a certificate is good (kube-controller-manager's --cluster-signing-duration), and the shortest. */
const mostSeconds = 365 * 24 * 60 * 60;
const leastSeconds = 600;

/** When the server has been up for so long, its clients have settled. */
const settledMs = 20_000;

/** A request that will never be signed: the text is shown to who asked. */
class Unsignable extends Error {}

/** Starts the controller. `expects`: requests are likely, so that what they need is loaded before somebody waits for it. */
export function signRequests(
  context: Context,
  requests: Served,
  authority: KeyPair,
  { expects }: { expects: boolean },
): Upkeep {
  const cancel = expects ? context.clock.after(settledMs, () => void expectRequests()) : () => {};
  const queue = createKeyQueue('the signing of a certificate request', context, settle);
  const unfollow = context.hub.follow({
    prefix: requests.prefix,
    onEvent: (event) => {
      const request = event.current(requests);
      if (request !== undefined && isWaiting(request)) queue.add(request.metadata.name ?? '');
    },
  });
  for (const { key } of context.store.range({ prefix: requests.prefix }).entries) {
    queue.add(partsOf(requests.prefix, key).name);
  }

  async function settle(name: string): Promise<void> {
    const entry = context.store.get(keyOf(requests.prefix, undefined, name));
    if (entry === undefined) return;
    const request = decode(requests, entry);
    if (!isWaiting(request)) return;
    const outcome = await signed(request);
    const next = (old: KubeObject): KubeObject =>
      // Somebody decided or signed meanwhile, or the name is another request's.
      old.metadata.uid === request.metadata.uid && isWaiting(old)
        ? { ...old, status: { ...statusOf(old), ...outcome(old) } }
        : old;
    try {
      const place = { served: requests, namespace: undefined, name };
      await update(context, place, { next, subresource: 'status' }, internalWrite);
    } catch (error) {
      if (!(error instanceof ApiError && error.status.code === 404)) throw error;
    }
  }

  /** What comes into the status: a certificate, or a condition that says why there will be none. */
  async function signed(request: KubeObject): Promise<(old: KubeObject) => object> {
    try {
      const certificate = Buffer.from(await sign(request)).toString('base64');
      return () => ({ certificate });
    } catch (error) {
      if (!(error instanceof Unsignable)) throw error;
      const { message } = error;
      const failed = { type: 'Failed', status: 'True', reason: 'SignerValidationFailure', message };
      return (old) => ({ conditions: [...conditionsOf(old), failed] });
    }
  }

  async function sign(request: KubeObject): Promise<string> {
    const { request: pem, usages, expirationSeconds: seconds } = specOf(request);
    const options = {
      authority,
      clock: context.clock,
      usages: checkedUsages(Array.isArray(usages) ? usages : []),
      seconds:
        typeof seconds === 'number' ? Math.min(Math.max(seconds, leastSeconds), mostSeconds) : mostSeconds,
    };
    const certificate = await signRequest(Buffer.from(String(pem), 'base64').toString('latin1'), options);
    // Looked at with the eyes of a TLS connection: two readers of a subject may not agree on a crooked one.
    if (subjectOf(certificate).organizations.includes(mastersGroup)) {
      throw new Unsignable(`certificates of the group ${mastersGroup} are not signed`);
    }
    return certificate;
  }

  return {
    close: () => {
      cancel();
      unfollow();
      return queue.close();
    },
  };
}

/** Approved, for this signer, and neither signed nor given up. */
function isWaiting(request: KubeObject): boolean {
  if (specOf(request).signerName !== clientSigner || statusOf(request).certificate) return false;
  const types = conditionsOf(request).map(({ type }) => type);
  return types.includes('Approved') && !types.includes('Denied') && !types.includes('Failed');
}

function checkedUsages(usages: readonly unknown[]): ClientUsage[] {
  const known = usages.map((usage) => {
    const found = clientUsages.find((item) => item === usage);
    if (found === undefined) throw new Unsignable(`invalid usage for client certificate: ${usage}`);
    return found;
  });
  if (!known.includes('client auth')) {
    throw new Unsignable('missing required usage for client certificate: client auth');
  }
  return known;
}
