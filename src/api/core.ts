/** The few kinds of Kubernetes itself that Vireo reads or writes. */
import type { KindRef, KubeObject, ObjectMeta } from './meta.ts';

/** coordination.k8s.io/v1 Lease. */
export type Lease = KubeObject<{
  holderIdentity?: string | null;
  leaseDurationSeconds?: number | null;
  acquireTime?: string | null;
  renewTime?: string | null;
  leaseTransitions?: number | null;
}>;
export const Lease: KindRef<Lease> = {
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
};

/** v1 ConfigMap (has `data` instead of a spec). */
export type ConfigMap = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: undefined;
  data?: Record<string, string>;
};
export const ConfigMap: KindRef<ConfigMap> = {
  group: '',
  version: 'v1',
  kind: 'ConfigMap',
  plural: 'configmaps',
  namespaced: true,
};

/** v1 Namespace. */
export type Namespace = KubeObject<{ finalizers?: string[] }, { phase?: string }>;
export const Namespace: KindRef<Namespace> = {
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  namespaced: false,
};

/** v1 Event (its fields stand beside metadata; it has no spec). */
export type Event = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: undefined;
  involvedObject: {
    apiVersion: string;
    kind: string;
    name: string;
    namespace?: string;
    uid?: string;
    resourceVersion?: string;
  };
  reason: string;
  message: string;
  type: 'Normal' | 'Warning';
  count: number;
  firstTimestamp: string;
  lastTimestamp: string;
  source: { component: string; host?: string };
  reportingComponent: string;
  reportingInstance: string;
};
export const Event: KindRef<Event> = {
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  namespaced: true,
};

/** apiextensions.k8s.io/v1 CustomResourceDefinition. */
export type CustomResourceDefinition = KubeObject<
  Record<string, unknown>,
  { conditions?: { type: string; status: string }[] }
>;
export const CustomResourceDefinition: KindRef<CustomResourceDefinition> = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  namespaced: false,
};
