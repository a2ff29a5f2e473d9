/** The protobuf messages of the built-in kinds: field numbers from the `generated.proto` files of k8s.io/api and apimachinery. */

/** One field. `optional` fields are pointers in Go: their zero value means something. */
export type Field = { name: string; type: string; repeated: boolean; optional: boolean };

/** A message by field numbers. */
export type Message = { readonly [number: number]: Field };

/**
 * `number name type`, comma-separated. A type ends in `[]` when repeated and in `?` when optional. Types are string, int, bool,
 * bytes, base64, time, microtime, json (a raw extension), map:string, map:bytes, or another message.
 */
function message(text: string): Message {
  return Object.fromEntries(
    text.split(',').map((line) => {
      const [number = '', name = '', type = ''] = line.trim().split(' ');
      return [
        Number(number),
        {
          name,
          type: type.replace(/(\[\]|\?)$/, ''),
          repeated: type.endsWith('[]'),
          optional: type.endsWith('?') || /^[A-Z]/.test(type),
        },
      ];
    }),
  );
}

const binding = message('1 metadata ObjectMeta, 2 subjects Subject[], 3 roleRef RoleRef');

/** The Self form has no user; its numbers are the same. */
const accessReview = message('1 metadata ObjectMeta, 2 spec AccessReviewSpec');

/** All messages by name. */
export const messages: { readonly [name: string]: Message } = {
  Unknown: message('1 typeMeta TypeMeta, 2 raw bytes, 3 contentEncoding string, 4 contentType string'),
  TypeMeta: message('1 apiVersion string, 2 kind string'),
  RawExtension: message('1 raw bytes'),
  Timestamp: message('1 seconds int, 2 nanos int'),
  ObjectMeta: message(
    '1 name string, 2 generateName string, 3 namespace string, 4 selfLink string, 5 uid string, 6 resourceVersion string, 7 generation int, 8 creationTimestamp time, 9 deletionTimestamp time, 10 deletionGracePeriodSeconds int?, 11 labels map:string, 12 annotations map:string, 13 ownerReferences OwnerReference[], 14 finalizers string[], 17 managedFields ManagedFieldsEntry[]',
  ),
  OwnerReference: message(
    '1 kind string, 3 name string, 4 uid string, 5 apiVersion string, 6 controller bool?, 7 blockOwnerDeletion bool?',
  ),
  ManagedFieldsEntry: message(
    '1 manager string, 2 operation string, 3 apiVersion string, 4 time time, 6 fieldsType string, 7 fieldsV1 json, 8 subresource string',
  ),
  DeleteOptions: message(
    '1 gracePeriodSeconds int?, 2 preconditions Preconditions, 3 orphanDependents bool?, 4 propagationPolicy string?, 5 dryRun string[]',
  ),
  Preconditions: message('1 uid string?, 2 resourceVersion string?'),
  LabelSelector: message('1 matchLabels map:string, 2 matchExpressions LabelSelectorRequirement[]'),
  LabelSelectorRequirement: message('1 key string, 2 operator string, 3 values string[]'),
  Namespace: message('1 metadata ObjectMeta, 2 spec NamespaceSpec, 3 status NamespaceStatus'),
  NamespaceSpec: message('1 finalizers string[]'),
  NamespaceStatus: message('1 phase string, 2 conditions NamespaceCondition[]'),
  NamespaceCondition: message(
    '1 type string, 2 status string, 4 lastTransitionTime time, 5 reason string, 6 message string',
  ),
  ConfigMap: message('1 metadata ObjectMeta, 2 data map:string, 3 binaryData map:bytes, 4 immutable bool?'),
  Secret: message(
    '1 metadata ObjectMeta, 2 data map:bytes, 3 type string, 4 stringData map:string, 5 immutable bool?',
  ),
  ServiceAccount: message(
    '1 metadata ObjectMeta, 2 secrets ObjectReference[], 3 imagePullSecrets LocalObjectReference[], 4 automountServiceAccountToken bool?',
  ),
  LocalObjectReference: message('1 name string'),
  ObjectReference: message(
    '1 kind string, 2 namespace string, 3 name string, 4 uid string, 5 apiVersion string, 6 resourceVersion string, 7 fieldPath string',
  ),
  Event: message(
    '1 metadata ObjectMeta, 2 involvedObject ObjectReference, 3 reason string, 4 message string, 5 source EventSource, 6 firstTimestamp time, 7 lastTimestamp time, 8 count int, 9 type string, 10 eventTime microtime, 11 series EventSeries, 12 action string, 13 related ObjectReference, 14 reportingComponent string, 15 reportingInstance string',
  ),
  EventSource: message('1 component string, 2 host string'),
  EventSeries: message('1 count int, 2 lastObservedTime microtime'),
  NewEvent: message(
    '1 metadata ObjectMeta, 2 eventTime microtime, 3 series EventSeries, 4 reportingController string, 5 reportingInstance string, 6 action string, 7 reason string, 8 regarding ObjectReference, 9 related ObjectReference, 10 note string, 11 type string, 12 deprecatedSource EventSource, 13 deprecatedFirstTimestamp time, 14 deprecatedLastTimestamp time, 15 deprecatedCount int',
  ),
  Lease: message('1 metadata ObjectMeta, 2 spec LeaseSpec'),
  LeaseSpec: message(
    '1 holderIdentity string?, 2 leaseDurationSeconds int?, 3 acquireTime microtime, 4 renewTime microtime, 5 leaseTransitions int?, 6 strategy string?, 7 preferredHolder string?',
  ),
  Role: message('1 metadata ObjectMeta, 2 rules PolicyRule[]'),
  ClusterRole: message('1 metadata ObjectMeta, 2 rules PolicyRule[], 3 aggregationRule AggregationRule'),
  PolicyRule: message(
    '1 verbs string[], 2 apiGroups string[], 3 resources string[], 4 resourceNames string[], 5 nonResourceURLs string[]',
  ),
  AggregationRule: message('1 clusterRoleSelectors LabelSelector[]'),
  RoleBinding: binding,
  ClusterRoleBinding: binding,
  Subject: message('1 kind string, 2 apiGroup string, 3 name string, 4 namespace string'),
  TokenRequest: message('1 metadata ObjectMeta, 2 spec TokenRequestSpec'),
  TokenRequestSpec: message(
    '1 audiences string[], 3 boundObjectRef BoundObjectReference, 4 expirationSeconds int?',
  ),
  BoundObjectReference: message('1 kind string, 2 apiVersion string, 3 name string, 4 uid string'),
  TokenReview: message('1 metadata ObjectMeta, 2 spec TokenReviewSpec'),
  TokenReviewSpec: message('1 token string, 2 audiences string[]'),
  SelfSubjectReview: message('1 metadata ObjectMeta'),
  SubjectAccessReview: accessReview,
  LocalSubjectAccessReview: accessReview,
  SelfSubjectAccessReview: accessReview,
  AccessReviewSpec: message(
    '1 resourceAttributes ResourceAttributes, 2 nonResourceAttributes NonResourceAttributes, 3 user string, 4 groups string[], 6 uid string',
  ),
  ResourceAttributes: message(
    '1 namespace string, 2 verb string, 3 group string, 4 version string, 5 resource string, 6 subresource string, 7 name string',
  ),
  NonResourceAttributes: message('1 path string, 2 verb string'),
  SelfSubjectRulesReview: message('1 metadata ObjectMeta, 2 spec SelfSubjectRulesReviewSpec'),
  SelfSubjectRulesReviewSpec: message('1 namespace string'),
  RoleRef: message('1 apiGroup string, 2 kind string, 3 name string'),
  CertificateSigningRequest: message(
    '1 metadata ObjectMeta, 2 spec CertificateSigningRequestSpec, 3 status CertificateSigningRequestStatus',
  ),
  CertificateSigningRequestSpec: message(
    '1 request base64, 2 username string, 3 uid string, 4 groups string[], 5 usages string[], 7 signerName string, 8 expirationSeconds int?',
  ),
  CertificateSigningRequestStatus: message(
    '1 conditions CertificateSigningRequestCondition[], 2 certificate base64',
  ),
  CertificateSigningRequestCondition: message(
    '1 type string, 2 reason string, 3 message string, 4 lastUpdateTime time, 5 lastTransitionTime time, 6 status string',
  ),
};

const groups: { readonly [apiVersion: string]: readonly string[] } = {
  v1: ['Namespace', 'ConfigMap', 'Secret', 'ServiceAccount', 'Event', 'DeleteOptions'],
  'meta.k8s.io/v1': ['DeleteOptions'],
  'authentication.k8s.io/v1': ['TokenRequest', 'TokenReview', 'SelfSubjectReview'],
  'authorization.k8s.io/v1': [
    'LocalSubjectAccessReview',
    'SelfSubjectAccessReview',
    'SelfSubjectRulesReview',
    'SubjectAccessReview',
  ],
  'certificates.k8s.io/v1': ['CertificateSigningRequest'],
  'coordination.k8s.io/v1': ['Lease'],
  'rbac.authorization.k8s.io/v1': ['Role', 'ClusterRole', 'RoleBinding', 'ClusterRoleBinding'],
};

/** The message of a kind; undefined when only JSON is taken. Delete options come under the version of what they delete. */
export function messageOf(apiVersion: string, kind: string): Message | undefined {
  if (apiVersion === 'events.k8s.io/v1' && kind === 'Event') return messages.NewEvent;
  const known = groups[apiVersion]?.includes(kind) === true || kind === 'DeleteOptions';
  return known ? messages[kind] : undefined;
}
