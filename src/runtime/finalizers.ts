/** Holding on to an object before the first side effect, and letting go after the last one. Pure patches. */
import type { KubeObject, Stored } from '../api/meta.ts';

type MetadataPatch = {
  metadata: {
    uid: string;
    resourceVersion: string;
    finalizers?: string[];
    annotations?: Record<string, string>;
  };
};

function patchOf(object: Stored<KubeObject>, changes: Partial<MetadataPatch['metadata']>): MetadataPatch {
  const { uid, resourceVersion } = object.metadata;
  return { metadata: { uid, resourceVersion, ...changes } };
}

/**
 * The patch that adds the finalizer and the stamps in one write; undefined when all is there. An annotation that exists is
 * never overwritten: a stamp that names another uid is the evidence that this object is a copy of another one.
 */
export function claimPatch(
  object: Stored<KubeObject>,
  finalizer: string | undefined,
  stamps: Readonly<Record<string, string>>,
): MetadataPatch | undefined {
  const { finalizers = [], annotations = {} } = object.metadata;
  const missing = Object.entries(stamps).filter(([name]) => annotations[name] === undefined);
  const needsFinalizer = finalizer !== undefined && !finalizers.includes(finalizer);
  if (!needsFinalizer && missing.length === 0) return undefined;
  return patchOf(object, {
    ...(needsFinalizer ? { finalizers: [...finalizers, finalizer] } : {}),
    ...(missing.length > 0 ? { annotations: Object.fromEntries(missing) } : {}),
  });
}

/** The patch that removes the finalizer; undefined when it is not there. */
export function releasePatch(object: Stored<KubeObject>, finalizer: string): MetadataPatch | undefined {
  const { finalizers = [] } = object.metadata;
  if (!finalizers.includes(finalizer)) return undefined;
  return patchOf(object, { finalizers: finalizers.filter((name) => name !== finalizer) });
}
