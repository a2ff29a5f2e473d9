/** What admission looks at: one write of a user, before it is stored, and how policies and webhooks are told of it. */
import type { User } from '../access/user.ts';
import type { Served } from '../catalog/served.ts';
import type { KubeObject } from '../object.ts';

/** One write. `object` is absent at deletions, `old` at creations. */
export type AdmissionRequest = {
  operation: 'CREATE' | 'UPDATE' | 'DELETE';
  /** In which version its objects are. */
  served: Served;
  /** Which version was asked for, where that is another. */
  asked?: Served;
  subresource?: string;
  namespace: string | undefined;
  name: string;
  user: User;
  object?: KubeObject;
  old?: KubeObject;
  dryRun: boolean;
  /** Takes a sentence for a Warning header. */
  warn: (text: string) => void;
  /** Takes what the audit log is to say of the request. */
  annotate: (key: string, value: string) => void;
};

/** The write as admission.k8s.io/v1 AdmissionRequest, without its objects. */
export function describeRequest(request: AdmissionRequest, uid: string): Record<string, unknown> {
  const { served, asked = served, subresource, namespace, name, operation, user, dryRun } = request;
  const { group, version, kind, plural } = served.resource;
  const sent = asked.resource;
  const sub = subresource === undefined ? {} : { subResource: subresource, requestSubResource: subresource };
  return {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource: plural },
    requestKind: { group: sent.group, version: sent.version, kind: sent.kind },
    requestResource: { group: sent.group, version: sent.version, resource: sent.plural },
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
