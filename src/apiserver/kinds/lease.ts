/** Lease: a lock with a holder and a time, renewed by the one who lives. */
import type { FieldError } from '../../schema/contract.ts';
import { outOfBounds } from '../../schema/errors.ts';
import { isRecord, type KubeObject } from '../object.ts';
import { ageColumn, column, nameColumn } from '../table/columns.ts';
import { kind } from './kind.ts';
import { integer, record, text, time } from './schema.ts';

function validate(object: KubeObject): FieldError[] {
  const spec = isRecord(object.spec) ? object.spec : {};
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = spec;
  return [
    ...(typeof duration === 'number' && duration <= 0
      ? [outOfBounds('spec.leaseDurationSeconds', duration, 'must be greater than 0')]
      : []),
    ...(typeof transitions === 'number' && transitions < 0
      ? [outOfBounds('spec.leaseTransitions', transitions, 'must be greater than or equal to 0')]
      : []),
  ];
}

/** The Lease kind. */
export const leaseKind = kind({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  namespaced: true,
  description: 'Lease defines a lease concept.',
  fields: {
    spec: record('The lease.', {
      holderIdentity: text('Who holds the lease.'),
      leaseDurationSeconds: integer('How long others must wait after renewTime before they take it.'),
      acquireTime: time('When the lease was acquired.'),
      renewTime: time('When the holder last renewed it.'),
      leaseTransitions: integer('How often the holder has changed.'),
      strategy: text('How a coordinated leader election picks the holder.'),
      preferredHolder: text('Who should get the lease next.'),
    }),
  },
  behaviour: { unconditionalUpdate: false, createOnUpdate: true, validate },
  columns: [
    nameColumn,
    column('Holder', (object) =>
      isRecord(object.spec) && typeof object.spec.holderIdentity === 'string'
        ? object.spec.holderIdentity
        : '',
    ),
    ageColumn,
  ],
});
