/** A small kind and a builder for the tests of clients and engines. */
import type { Condition, KindRef, KubeObject, ObjectMeta } from '../../../src/api/meta.ts';

export type Guest = KubeObject<
  { cores: number; host?: string },
  {
    phase?: string;
    host?: string;
    conditions?: Condition[];
    addresses?: string[];
    observedGeneration?: number;
  }
>;

export const Guest: KindRef<Guest> = {
  group: 'vireo.dev',
  version: 'v1alpha1',
  kind: 'Guest',
  plural: 'guests',
  namespaced: true,
};

/** A guest named `name` in namespace `lab`. */
export function guest(
  name: string,
  more: { metadata?: Partial<ObjectMeta>; spec?: Partial<Guest['spec']>; status?: Guest['status'] } = {},
): Guest {
  return {
    apiVersion: 'vireo.dev/v1alpha1',
    kind: 'Guest',
    metadata: { name, namespace: 'lab', ...more.metadata },
    spec: { cores: 1, ...more.spec },
    ...(more.status === undefined ? {} : { status: more.status }),
  };
}
