/** What admission looks at: one write of a user, before it is stored, and how policies and webhooks are told of it. */
import type { User } from '../access/user.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';

/** One write. `object` is absent at deletions, `old` at creations. */
export type AdmissionRequest = {
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  served: Served;
  subresource?: string;
  namespace: string | undefined;
  name: string;
  user: User;
  object?: KubeObject;
  old?: KubeObject;
  dryRun: boolean;
  /** Takes a sentence for a Warning header. */
  warn: (text: string) => void;
};

/** The write as admission.k8s.io/v1 AdmissionRequest, without its objects. */
export function describeRequest(request: AdmissionRequest, uid: string): Record<string, unknown> {
  const { served, subresource, namespace, name, operation, user, dryRun } = request;
  const { group, version, kind, plural } = served.resource;
  const sub = subresource === undefined ? {} : { subResource: subresource, requestSubResource: subresource };
  return {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource: plural },
    requestKind: { group, version, kind },
    requestResource: { group, version, resource: plural },
    ...sub,
    name,
    ...(namespace === undefined ? {} : { namespace }),
    operation,
    userInfo: {
      username: user.name,
      groups: [...user.groups],
      ...(user.uid === undefined ? {} : { uid: user.uid }),
      ...(user.extra === undefined ? {} : { extra: user.extra }),
    },
    dryRun,
  };
}
