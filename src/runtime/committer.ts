/** The one write at the end of a pass: the difference between the status seen and the status wanted, or nothing. */
import type { KubeObject, Stored } from '../api/meta.ts';
import { ReasonedError } from '../base/outcome.ts';
import type { Client } from '../client/contract.ts';
import { ApiError } from '../client/contract.ts';
import type { Controller } from './contract.ts';
import { undeclared } from './declarations.ts';
import { statusPatch, writtenPaths } from './statuspatch.ts';

export type Commit<T extends KubeObject> =
  | { type: 'unchanged' }
  | { type: 'written'; object: Stored<T> }
  /** Somebody wrote since we read: read again. */
  | { type: 'conflict' }
  /** The object is gone, or another one has its name now. */
  | { type: 'gone' };

/** Turns the refusals that any write of ours may get into results; other errors stay errors. */
export async function attemptWrite<T extends KubeObject>(
  write: () => Promise<Stored<T>>,
): Promise<Commit<T>> {
  try {
    return { type: 'written', object: await write() };
  } catch (error) {
    if (error instanceof ApiError && error.code === 409) return { type: 'conflict' };
    if (error instanceof ApiError && error.code === 404) return { type: 'gone' };
    throw error;
  }
}

/**
 * Writes `status` to the object that was read, as a merge patch that carries its resourceVersion. Throws ReasonedError
 * UndeclaredWrite when the controller does not declare a path it changes, and ApiError.
 */
export async function commitStatus<T extends KubeObject>(
  client: Client,
  controller: Pick<Controller<T>, 'name' | 'kind' | 'writes'>,
  object: Stored<T>,
  status: T['status'],
  signal: AbortSignal,
): Promise<Commit<T>> {
  const patch = statusPatch(object.status, status);
  if (patch === undefined) return { type: 'unchanged' };
  const foreign = undeclared(controller.writes, writtenPaths(patch, object.status));
  if (foreign.length > 0) {
    throw new ReasonedError(
      'UndeclaredWrite',
      `${controller.name} writes ${foreign.join(', ')} without declaring it`,
    );
  }
  const { uid, resourceVersion } = object.metadata;
  const body = { metadata: { uid, resourceVersion }, status: patch };
  return attemptWrite(() =>
    client.mergePatch(controller.kind, object.metadata, body, { subresource: 'status', signal }),
  );
}
