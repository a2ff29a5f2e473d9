/** FenceAction: one try to cut a host off for one incident, or from its storage, or a person's word that it is off. Made once, never changed. */
import {
  conditions,
  integer,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  setList,
  Type,
  text,
  time,
} from '../fields.ts';
import { lifeFields } from '../ha.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

/** `leaseVersion` of a host that has no Lease: no object ever has it. */
export const NO_LEASE = '0';

const spec = object(
  'Which host, and what for.',
  {
    host: objectName('Name of the Host.'),
    incident: text('Incident of the Host, `status.ha.incident.id`: for no other is it ever executed.', 253),
    ...lifeFields,
    method: oneOf(
      ['PowerOff', 'Disconnect', 'Revoke', 'Manual'],
      'PowerOff: the devices switch the host off. Disconnect: they shut its switch ports, which proves nothing. Revoke: the pool takes no write of this boot of the host any more. Manual: a person says that it is off.',
    ),
    level: Type.Optional(integer('Level of devices, counted from 0.', 0, 1_000_000)),
    devices: Type.Optional(setList(objectName('Name of the FenceDevice.'), 8, 'All of them must say Off.')),
    pool: Type.Optional(objectName('StoragePool that is taken from the host.')),
    executor: Type.Optional(objectName('Host whose agent tells the pool so.')),
    leaseVersion: Type.Optional(
      text(
        "resourceVersion of the host's Lease when it was asked for, 0 when it had none: a later one means that the host lives.",
        64,
      ),
    ),
    confirmedBy: Type.Optional(text('Who says so: the name of the user that creates it.', 253)),
  },
  [
    { rule: 'self == oldSelf', message: 'a FenceAction cannot be changed: make a new one' },
    {
      rule: "self.method == 'Manual' ? has(self.confirmedBy) : has(self.leaseVersion) && (self.method == 'Revoke' ? has(self.pool) && has(self.executor) && self.executor != self.host : has(self.devices) && size(self.devices) > 0)",
      message:
        'Manual needs confirmedBy, the others need leaseVersion; Revoke pool and executor, another host; the rest devices',
    },
  ],
);

const status = object('How it went.', {
  observedGeneration,
  conditions,
  phase: Type.Optional(
    oneOf(
      ['Running', 'PoweredOff', 'Disconnected', 'Revoked', 'Confirmed', 'Failed', 'Refused'],
      'Refused: the host lives or the incident is over, or its executor cannot use the pool; nothing was done. A Revoke that Failed may have been done all the same.',
    ),
  ),
  startedAt: Type.Optional(time('Written before anything is switched.')),
  completedAt: Type.Optional(time('When it was over.')),
  poweredOnAt: Type.Optional(
    time('When the devices were told to switch the host or its ports on again, after the proof.'),
  ),
  heardSequence: Type.Optional(
    Type.Integer({
      description: 'Renewal in the Lease of the host a while after it was said to be off.',
      format: 'int64',
      minimum: 0,
    }),
  ),
  contradictedAt: Type.Optional(
    time(
      'When the host had renewed its Lease again in the same boot: it was not off, and the devices are not trusted.',
    ),
  ),
});

export type FenceActionSpec = Static<typeof spec>;
export type FenceActionStatus = Static<typeof status>;
export type FenceAction = KubeObject<FenceActionSpec, FenceActionStatus>;

export const FenceAction = defineKind<FenceAction>({
  kind: 'FenceAction',
  plural: 'fenceactions',
  namespaced: false,
  shortNames: ['fa'],
  description: 'One try to cut a host off.',
  spec,
  status,
  columns: [
    { name: 'Host', type: 'string', jsonPath: '.spec.host', description: 'Host.' },
    { name: 'Method', type: 'string', jsonPath: '.spec.method', description: 'How.' },
    { name: 'Phase', type: 'string', jsonPath: '.status.phase', description: 'How far it is.' },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: ".status.conditions[?(@.type=='Ready')].reason",
      description: 'Why it is not over, or failed.',
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
  selectable: ['.spec.executor', '.spec.method'],
});
