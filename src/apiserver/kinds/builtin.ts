/** All kinds the server is built with, in the order of discovery. */
import { serviceAccountKind } from './account.ts';
import { certificateRequestKind } from './certificate.ts';
import { configMapKind, secretKind } from './data.ts';
import { definitionKind, type NameLookup } from './definition.ts';
import { eventKind, newEventKind } from './event.ts';
import type { Kind } from './kind.ts';
import { leaseKind } from './lease.ts';
import { namespaceKind } from './namespace.ts';
import { admissionBindingKind, admissionPolicyKind } from './policy.ts';
import { clusterRoleBindingKind, clusterRoleKind, roleBindingKind, roleKind } from './rbac.ts';
import { reviewKinds } from './review.ts';
import { webhookKinds } from './webhook.ts';

/** The built-in kinds. `lookup` tells definitions whose names are taken. */
export function builtinKinds(lookup: NameLookup): Kind[] {
  return [
    configMapKind,
    eventKind,
    namespaceKind,
    secretKind,
    serviceAccountKind,
    definitionKind(lookup),
    ...reviewKinds,
    certificateRequestKind,
    newEventKind,
    clusterRoleBindingKind,
    clusterRoleKind,
    roleBindingKind,
    roleKind,
    leaseKind,
    admissionBindingKind,
    admissionPolicyKind,
    ...webhookKinds,
  ];
}
