/**
 * The scale subresource of custom resources: a small object of autoscaling/v1 that shows and sets the fields its definition names.
 * https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource
 */
import type { FieldError } from '../../schema/contract.ts';
import { invalid as invalidValue } from '../../schema/errors.ts';
import { isRecord, type KubeObject, setOwn } from '../object.ts';
import type { ScalePaths } from '../resource.ts';
import { badRequest, invalid } from '../status.ts';
import type { Context, Place, WriteOptions } from './context.ts';
import { update } from './update.ts';

/** autoscaling/v1 Scale. */
export type Scale = {
  kind: 'Scale';
  apiVersion: 'autoscaling/v1';
  metadata: {
    name?: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
    creationTimestamp?: string | null;
  };
  spec: { replicas: number };
  status: { replicas: number; selector?: string };
};

/** The scale an object shows; a field that is not there counts as none. */
export function scaleOf(paths: ScalePaths, object: KubeObject): Scale {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const count = (path: string) => {
    const value = valueAt(object, path);
    return typeof value === 'number' ? value : 0;
  };
  const selector = paths.labelSelectorPath === undefined ? '' : valueAt(object, paths.labelSelectorPath);
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: {
      ...(name === undefined ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(creationTimestamp === undefined ? {} : { creationTimestamp }),
    },
    spec: { replicas: count(paths.specReplicasPath) },
    status: {
      replicas: count(paths.statusReplicasPath),
      ...(typeof selector === 'string' && selector !== '' ? { selector } : {}),
    },
  };
}

/** Sets the wanted replicas; `next` makes the new scale from the present one. Throws 400, 404, 409 and 422. */
export async function updateScale(
  context: Context,
  place: Place,
  paths: ScalePaths,
  next: (old: Scale) => unknown,
  options: WriteOptions,
): Promise<Scale> {
  const written = await update(
    context,
    place,
    { next: (old) => withScale(paths, old, next(scaleOf(paths, old))), subresource: 'scale' },
    options,
  );
  return scaleOf(paths, written.object);
}

function withScale(paths: ScalePaths, old: KubeObject, scale: unknown): KubeObject {
  if (!isRecord(scale)) throw badRequest('the body is no Scale');
  const { kind = 'Scale', apiVersion = 'autoscaling/v1', metadata = {}, spec = {} } = scale;
  if (kind !== 'Scale' || apiVersion !== 'autoscaling/v1' || !isRecord(metadata) || !isRecord(spec)) {
    throw badRequest('the body is no Scale of autoscaling/v1');
  }
  const name = old.metadata.name ?? '';
  if (metadata.name !== undefined && metadata.name !== name) {
    throw badRequest(
      `the name of the object (${metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  const { replicas = 0 } = spec;
  const faults = replicaFaults(replicas);
  if (faults.length > 0) throw invalid({ group: 'autoscaling', kind: 'Scale' }, name, faults);
  const { uid, resourceVersion } = metadata;
  const object = { ...old, metadata: { ...old.metadata } };
  if (typeof uid === 'string' && uid !== '') object.metadata.uid = uid;
  if (typeof resourceVersion === 'string' && resourceVersion !== '') {
    object.metadata.resourceVersion = resourceVersion;
  }
  setAt(object, namesOf(paths.specReplicasPath), replicas);
  return object;
}

function replicaFaults(replicas: unknown): FieldError[] {
  if (typeof replicas !== 'number' || !Number.isInteger(replicas) || replicas > 0x7fffffff) {
    return [invalidValue('spec.replicas', replicas, 'must be a whole number of 32 bits')];
  }
  return replicas < 0 ? [invalidValue('spec.replicas', replicas, 'must be greater than or equal to 0')] : [];
}

/** The names of a path such as `.spec.replicas`. */
function namesOf(path: string): string[] {
  return path.split('.').filter((name) => name !== '');
}

function valueAt(object: KubeObject, path: string): unknown {
  return namesOf(path).reduce<unknown>(
    (at, name) => (isRecord(at) && Object.hasOwn(at, name) ? at[name] : undefined),
    object,
  );
}

function setAt(object: Record<string, unknown>, names: readonly string[], value: unknown): void {
  const [name = '', ...rest] = names;
  if (rest.length === 0) {
    setOwn(object, name, value);
    return;
  }
  const child = Object.hasOwn(object, name) ? object[name] : undefined;
  const copy = isRecord(child) ? { ...child } : {};
  setOwn(object, name, copy);
  setAt(copy, rest, value);
}
