/** Converts objects of definitions with a conversion webhook between their versions; all that can go wrong is a 500 of this request. */
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { printJson } from '../../schema/json.ts';
import type { CallWebhook, WebhookTarget } from '../admission/webhook.ts';
import { newUid } from '../metadata/identity.ts';
import type { KubeObject } from '../object.ts';
import { failure } from '../status.ts';
import { conversionReview, readConversion } from './review.ts';

/** As in kube-apiserver: a conversion webhook has no timeout of its own to set. */
const timeoutMs = 30_000;

/** Converts objects of one kind and version to another version; throws an ApiError 500. */
export type Convert = (
  target: WebhookTarget,
  objects: readonly KubeObject[],
  desiredAPIVersion: string,
) => Promise<KubeObject[]>;

/** Makes the converter. */
export function createConvert(world: { clock: Clock; random: Random }, call: CallWebhook): Convert {
  return async (target, objects, desiredAPIVersion) => {
    const [first] = objects;
    if (first === undefined) return [];
    const uid = newUid(world.random);
    const abort = new AbortController();
    const cancel = world.clock.after(timeoutMs, () => abort.abort(new Error('context deadline exceeded')));
    try {
      if (typeof target === 'string') throw new Error(`failed: ${target}`);
      const body = printJson(conversionReview(uid, desiredAPIVersion, objects));
      const answer = await call({ ...target, body, signal: abort.signal }).catch((error: unknown) => {
        throw new Error(`failed: Post ${JSON.stringify(target.url)}: ${reasonOf(error)}`, { cause: error });
      });
      return readConversion(answer, uid, desiredAPIVersion, objects);
    } catch (error) {
      const what = `${first.apiVersion}, Kind=${first.kind}`;
      throw failure(500, 'InternalError', `conversion webhook for ${what} ${reasonOf(error)}`);
    } finally {
      cancel();
    }
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
