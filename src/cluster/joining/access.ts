/** What letting machines join takes of the manager, for RBAC. It reads Secrets of its own namespace only. */
import { AGENT_AUTHORITY, SIGNERS, SYSTEM_NAMESPACE } from '../../api/cluster.ts';
import {
  CertificateSigningRequest,
  ClusterRoleBinding,
  ConfigMap,
  Lease,
  RoleBinding,
  Secret,
  ServiceAccount,
} from '../../api/core.ts';
import { Host } from '../../api/kinds/host.ts';
import type { Access } from '../../runtime/contract.ts';
import { AGENT_ROLE } from './identity.ts';

const namespace = SYSTEM_NAMESPACE;
const signers = { group: CertificateSigningRequest.group, plural: 'signers' };
const roles = (plural: string) => ({ group: RoleBinding.group, plural });

export const joiningAccess: readonly Access[] = [
  { kind: Host, verbs: ['create'] },
  { kind: CertificateSigningRequest, verbs: ['get', 'list', 'watch', 'patch'] },
  { kind: CertificateSigningRequest, verbs: ['patch'], subresource: 'approval' },
  { kind: CertificateSigningRequest, verbs: ['patch'], subresource: 'status' },
  { kind: signers, verbs: ['approve'], names: [SIGNERS.join] },
  { kind: signers, verbs: ['approve', 'sign'], names: [SIGNERS.agent] },
  { kind: Secret, verbs: ['get', 'create', 'patch', 'delete'], namespace },
  { kind: ServiceAccount, verbs: ['get', 'create', 'patch', 'delete'], namespace },
  { kind: ConfigMap, verbs: ['create'], namespace },
  { kind: ConfigMap, verbs: ['get', 'patch'], namespace, names: [AGENT_AUTHORITY] },
  { kind: Lease, verbs: ['create', 'patch', 'delete'], namespace },
  { kind: ClusterRoleBinding, verbs: ['get', 'create', 'patch', 'delete'] },
  { kind: RoleBinding, verbs: ['get', 'create', 'patch', 'delete'], namespace },
  { kind: roles('clusterroles'), verbs: ['bind'], names: [AGENT_ROLE] },
  { kind: roles('roles'), verbs: ['bind'], namespace, names: [AGENT_ROLE] },
];
