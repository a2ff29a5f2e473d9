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

/** v1 Secret (has `data`, each value in base64, instead of a spec). */
export type Secret = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: undefined;
  type?: string;
  data?: Record<string, string>;
};
export const Secret: KindRef<Secret> = {
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  namespaced: true,
};

/** v1 ServiceAccount. */
export type ServiceAccount = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: undefined;
};
export const ServiceAccount: KindRef<ServiceAccount> = {
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  namespaced: true,
};

/** rbac.authorization.k8s.io/v1: a binding of either scope. */
export type Binding = {
  apiVersion: string;
  kind: string;
  metadata: ObjectMeta;
  spec: undefined;
  roleRef: { apiGroup: string; kind: 'Role' | 'ClusterRole'; name: string };
  subjects: { kind: string; name: string; namespace?: string; apiGroup?: string }[];
};
const RBAC = { group: 'rbac.authorization.k8s.io', version: 'v1' } as const;
export const RoleBinding: KindRef<Binding> = {
  ...RBAC,
  kind: 'RoleBinding',
  plural: 'rolebindings',
  namespaced: true,
};
export const ClusterRoleBinding: KindRef<Binding> = {
  ...RBAC,
  kind: 'ClusterRoleBinding',
  plural: 'clusterrolebindings',
  namespaced: false,
};

/** certificates.k8s.io/v1 CertificateSigningRequest; the server says who asks. Values in base64 are PEM. */
export type CertificateSigningRequest = KubeObject<
  {
    request: string;
    signerName: string;
    expirationSeconds?: number;
    usages: string[];
    username?: string;
    uid?: string;
    extra?: Record<string, string[]>;
  },
  {
    conditions?: {
      type: string;
      status: string;
      reason?: string;
      message?: string;
      lastUpdateTime?: string;
    }[];
    certificate?: string;
  }
>;
export const CertificateSigningRequest: KindRef<CertificateSigningRequest> = {
  group: 'certificates.k8s.io',
  version: 'v1',
  kind: 'CertificateSigningRequest',
  plural: 'certificatesigningrequests',
  namespaced: false,
};
