/** The way of a user's write past those who have a say: who may change it, then who may refuse it. What the server writes itself has none. */
import type { AdmissionRequest } from '../admission/request.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';
import type { Context, WriteOptions } from './context.ts';

/** One write: of a new object, of an object in place of an old one, or the deletion of an old one. */
type Change = { served: Served; subresource?: string } & (
  | { object: KubeObject; old?: KubeObject }
  | { object?: never; old: KubeObject }
);

type Writer = Pick<WriteOptions, 'user' | 'dryRun'> & Partial<Pick<WriteOptions, 'warn' | 'annotate'>>;

/** The object as mutating webhooks want it; what it is called is not theirs to change. */
export async function mutated(
  context: Context,
  change: Change & { object: KubeObject },
  writer: Writer,
): Promise<KubeObject> {
  const request = requestOf(change, writer);
  if (request === undefined) return change.object;
  const object = (await context.admission?.mutate(request)) ?? change.object;
  if (object === change.object) return object;
  const { name, namespace } = request;
  const place = { ...(name === '' ? {} : { name }), ...(namespace === undefined ? {} : { namespace }) };
  return { ...object, metadata: { ...object.metadata, ...place } };
}

/** Refuses what may not be written by this user, or not at all. */
export async function checkAllowed(context: Context, change: Change, writer: Writer): Promise<void> {
  const request = requestOf(change, writer);
  if (request === undefined) return;
  if (change.object === undefined) {
    // Mutating webhooks are asked about deletions too; they have nothing to change, but may refuse.
    await context.admission?.mutate(request);
  } else {
    await context.guard?.({ ...change, user: request.user });
  }
  await context.admission?.validate(request);
}

/** The write as admission looks at it; undefined when no user makes it. */
function requestOf(
  change: Change,
  { user, dryRun, warn = () => {}, annotate = () => {} }: Writer,
): AdmissionRequest | undefined {
  if (user === undefined) return undefined;
  const who = change.object === undefined ? change.old : (change.old ?? change.object);
  const operation = change.object === undefined ? 'DELETE' : change.old === undefined ? 'CREATE' : 'UPDATE';
  const { name = '', namespace } = who.metadata;
  return { ...change, operation, namespace, name, user, dryRun, warn, annotate };
}
