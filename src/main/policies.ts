/**
 * ValidatingAdmissionPolicies that hold what RBAC cannot say: an agent writes only what is its own host's, a machine that joins asks only to
 * join, a Host with guests is not deleted by mistake. The same manifests on every API server.
 * https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/
 */
import {
  accountUser,
  BACKUP_FINALIZER,
  CONFIRM_DELETE_ANNOTATION,
  GUEST_FINALIZER,
  hostAccountName,
  JOIN_ACCOUNT,
  KEEPER_HOST_ANNOTATION,
  keeperLeaseName,
  MIGRATION_FINALIZERS,
  SIGNERS,
  SNAPSHOT_FINALIZER,
  SYSTEM_NAMESPACE,
} from '../api/cluster.ts';
import { CertificateSigningRequest, Event, Lease } from '../api/core.ts';
import { Backup } from '../api/kinds/backup.ts';
import { Container } from '../api/kinds/container.ts';
import { FenceAction } from '../api/kinds/fenceAction.ts';
import { Host } from '../api/kinds/host.ts';
import { Migration } from '../api/kinds/migration.ts';
import { Operation } from '../api/kinds/operation.ts';
import { Restore } from '../api/kinds/restore.ts';
import { Rollback } from '../api/kinds/rollback.ts';
import { Snapshot } from '../api/kinds/snapshot.ts';
import { Verify } from '../api/kinds/verify.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { KindRef } from '../api/meta.ts';
import { isSame, metadata, type Validation, type Variable } from './policyWords.ts';

type Verb = 'CREATE' | 'UPDATE' | 'DELETE';

type Policy = {
  name: string;
  kinds: readonly KindRef[];
  operations: readonly Verb[];
  /** Whose writes it is about; everybody's when absent. */
  who?: Variable;
  variables?: readonly Variable[];
  validations: readonly Validation[];
};

const USER = 'request.userInfo.username';
const AGENT = `'${accountUser(hostAccountName(''))}'`;
const isAgent = { name: 'is-agent', expression: `${USER}.startsWith(${AGENT})` };
const isJoining = { name: 'is-joining', expression: `${USER} == '${accountUser(JOIN_ACCOUNT)}'` };

/** True for the agent of the host that the expression names. */
const isHost = (name: string) => `${USER} == ${AGENT} + ${name}`;

/** The Lease of a keeper bears its host in an annotation; a name cannot be taken apart without functions that not every server has. */
const KEEPER = `object.metadata.annotations['${KEEPER_HOST_ANNOTATION}']`;
const isKeeperLease = `(has(object.metadata.annotations) && '${KEEPER_HOST_ANNOTATION}' in object.metadata.annotations && object.metadata.name == '${keeperLeaseName('')}' + ${KEEPER} && ${isHost(KEEPER)})`;

const SPEC: Validation = {
  expression: 'object.spec == oldObject.spec',
  message: "a spec is its user's: agents do not write it",
};

const of = (path: string) => `has(oldObject.status) && has(oldObject.status.${path})`;
const PLACED = 'status.placement';
const guestMetadata = metadata([GUEST_FINALIZER]);
const jobMetadata = metadata([]);
const snapshotMetadata = metadata([SNAPSHOT_FINALIZER]);
const backupMetadata = metadata([BACKUP_FINALIZER]);
const moveMetadata = metadata(Object.values(MIGRATION_FINALIZERS));

const POLICIES: readonly Policy[] = [
  {
    name: 'vireo-agent-guests',
    kinds: [VirtualMachine, Container],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: guestMetadata.variables,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && ${of('placement')} && ${isHost('oldObject.status.placement.host')}`,
        message: 'an agent writes only guests that are placed on its host',
      },
      SPEC,
      ...guestMetadata.validations,
      {
        // The one way in which a guest leaves: whose it is hands it over, and the number of the placement grows by one.
        expression: `has(object.${PLACED}) && (object.${PLACED} == oldObject.${PLACED} || (object.${PLACED}.host != oldObject.${PLACED}.host && object.${PLACED}.epoch == oldObject.${PLACED}.epoch + 1))`,
        message:
          'an agent hands a guest over to another host with the next epoch, or leaves its placement alone',
      },
    ],
  },
  {
    name: 'vireo-agent-operations',
    kinds: [Operation, Rollback, Restore, Verify],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: jobMetadata.variables,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && ${of('host')} && ${isHost('oldObject.status.host')}`,
        message: 'an agent writes only jobs that its host executes',
      },
      SPEC,
      ...jobMetadata.validations,
      {
        expression: isSame('status.host'),
        message: 'which host executes it is not for agents to say',
      },
    ],
  },
  {
    name: 'vireo-agent-snapshots',
    kinds: [Snapshot],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: snapshotMetadata.variables,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && ${of('host')} && ${isHost('oldObject.status.host')}`,
        message: 'an agent writes only snapshots that lie on its host',
      },
      SPEC,
      ...snapshotMetadata.validations,
      {
        expression: isSame('status.host'),
        message: 'where a snapshot lies is not for agents to say',
      },
    ],
  },
  {
    name: 'vireo-agent-backups',
    kinds: [Backup],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: backupMetadata.variables,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && ${of('host')} && ${isHost('oldObject.status.host')}`,
        message: 'an agent writes only backups that its host makes',
      },
      SPEC,
      ...backupMetadata.validations,
      {
        expression: isSame('status.host'),
        message: 'which host makes a backup is not for agents to say',
      },
    ],
  },
  {
    name: 'vireo-agent-migrations',
    kinds: [Migration],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: [
      { name: 'isSource', expression: `${of('sourceHost')} && ${isHost('oldObject.status.sourceHost')}` },
      { name: 'isTarget', expression: `${of('targetHost')} && ${isHost('oldObject.status.targetHost')}` },
      ...moveMetadata.variables,
    ],
    validations: [
      {
        expression: "request.operation == 'UPDATE' && (variables.isSource || variables.isTarget)",
        message: 'an agent writes only migrations from or to its host',
      },
      SPEC,
      ...moveMetadata.validations,
      {
        expression: ['sourceHost', 'targetHost', 'guestUID', 'epoch', 'assignedAt', 'cancel', 'type']
          .map((field) => isSame(`status.${field}`))
          .join(' && '),
        message: 'what is moved and between which hosts is not for agents to say',
      },
      {
        expression: `variables.isTarget || (${isSame('status.target')})`,
        message: 'status.target is for the agent of the target to write',
      },
      {
        expression: `variables.isSource || (${['source', 'phase', 'mode', 'completedAt', 'conditions'].map((field) => isSame(`status.${field}`)).join(' && ')})`,
        message: 'how far a migration is is for the agent of the source to say',
      },
    ],
  },
  {
    name: 'vireo-agent-fence-actions',
    kinds: [FenceAction],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    variables: jobMetadata.variables,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && oldObject.spec.method == 'Revoke' && has(oldObject.spec.executor) && ${isHost('oldObject.spec.executor')}`,
        message: 'an agent writes only fence actions that its host executes',
      },
      SPEC,
      ...jobMetadata.validations,
    ],
  },
  {
    name: 'vireo-agent-host',
    kinds: [Host],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    validations: [
      {
        expression: `request.operation == 'UPDATE' && ${isHost('oldObject.metadata.name')} && object.spec == oldObject.spec`,
        message: 'an agent writes only the status of its own Host',
      },
    ],
  },
  {
    name: 'vireo-agent-lease',
    kinds: [Lease],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    validations: [
      {
        expression: `request.operation != 'DELETE' && object.metadata.namespace == '${SYSTEM_NAMESPACE}' && (${USER} == '${accountUser('')}' + object.metadata.name || ${isKeeperLease})`,
        message: 'an agent writes only the Leases of its own host',
      },
    ],
  },
  {
    name: 'vireo-agent-events',
    kinds: [Event],
    operations: ['CREATE', 'UPDATE', 'DELETE'],
    who: isAgent,
    validations: [
      {
        expression: `request.operation != 'DELETE' && has(object.source) && has(object.source.host) && ${isHost('object.source.host')} && (request.operation == 'CREATE' || (has(oldObject.source) && object.source == oldObject.source))`,
        message: 'an agent writes only Events of its own host',
      },
    ],
  },
  {
    name: 'vireo-agent-certificates',
    kinds: [CertificateSigningRequest],
    operations: ['CREATE'],
    who: isAgent,
    validations: [
      {
        expression: `object.spec.signerName == '${SIGNERS.agent}'`,
        message: `an agent asks ${SIGNERS.agent} for certificates, and no other signer`,
      },
    ],
  },
  {
    name: 'vireo-join',
    kinds: [CertificateSigningRequest],
    operations: ['CREATE'],
    who: isJoining,
    validations: [
      {
        expression: `object.spec.signerName == '${SIGNERS.join}'`,
        message: `a join token is for requests to ${SIGNERS.join}`,
      },
    ],
  },
  {
    name: 'vireo-fence-confirmation',
    kinds: [FenceAction],
    operations: ['CREATE'],
    validations: [
      {
        expression: `object.spec.method != 'Manual' || (has(object.spec.confirmedBy) && object.spec.confirmedBy == ${USER})`,
        message: 'spec.confirmedBy must be who you are: use vireo fence confirm HOST',
      },
    ],
  },
  {
    name: 'vireo-host-deletion',
    kinds: [Host],
    operations: ['DELETE'],
    validations: [
      {
        expression: `!has(oldObject.status) || !has(oldObject.status.guests) || size(oldObject.status.guests) == 0 || (has(oldObject.metadata.annotations) && '${CONFIRM_DELETE_ANNOTATION}' in oldObject.metadata.annotations && oldObject.metadata.annotations['${CONFIRM_DELETE_ANNOTATION}'] == oldObject.metadata.name)`,
        message: `this host has guests: move or delete them first, or accept that they are lost with the annotation ${CONFIRM_DELETE_ANNOTATION}: NAME`,
      },
    ],
  },
];

/** The policies and their bindings. */
export function policyManifests(): object[] {
  return POLICIES.flatMap((policy) => [policyOf(policy), bindingOf(policy)]);
}

const API = 'admissionregistration.k8s.io/v1';
const named = (name: string) => ({ name, labels: { 'app.kubernetes.io/part-of': 'vireo' } });

function policyOf({ name, kinds, operations, who, variables, validations }: Policy): object {
  return {
    apiVersion: API,
    kind: 'ValidatingAdmissionPolicy',
    metadata: named(name),
    spec: {
      failurePolicy: 'Fail',
      matchConstraints: {
        resourceRules: kinds.map(({ group, version, plural }) => ({
          apiGroups: [group],
          apiVersions: [version],
          operations,
          resources: [plural, `${plural}/status`],
        })),
      },
      ...(who === undefined ? {} : { matchConditions: [who] }),
      ...(variables === undefined ? {} : { variables }),
      validations: validations.map((validation) => ({ ...validation, reason: 'Forbidden' })),
    },
  };
}

function bindingOf({ name }: Policy): object {
  return {
    apiVersion: API,
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: named(name),
    spec: { policyName: name, validationActions: ['Deny'] },
  };
}
