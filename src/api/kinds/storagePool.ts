/** StoragePool: where volumes and images lie on hosts. */
import {
  bytes,
  conditions,
  flag,
  integer,
  mapList,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  setList,
  Type,
  text,
} from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const path = Type.Optional(
  text("Absolute path, named in the host's allow-list. Absent: a directory of the agent's own.", 256, {
    pattern: '^/([^/\\x00]+/?)*$',
  }),
);

const spec = object(
  'What the pool is.',
  {
    type: oneOf(
      ['Directory', 'Btrfs'],
      'Kind of storage. Directory: files on any file system. Btrfs: subvolumes of a Btrfs file system. Cannot be changed later.',
    ),
    directory: Type.Optional(object('A directory of each host.', { path })),
    btrfs: Type.Optional(object('A directory of each host that lies on Btrfs.', { path })),
    shared: Type.Optional(
      flag(
        'All its hosts have one and the same directory at `directory.path` (NFS or a cluster file system): guests move without their volumes.',
      ),
    ),
    hosts: Type.Optional(
      setList(objectName('Name of a Host.'), 512, 'Hosts that have the pool; all when absent.'),
    ),
    importArchives: Type.Optional(
      flag(
        'Archives in the pool that no Backup stands for become Backups again, in the namespaces of their guests: after the state of the cluster was lost.',
      ),
    ),
    parallelBackups: Type.Optional(
      integer(
        'Backups that are made into the pool at the same time, on all hosts together; no limit but those of hosts when absent.',
        1,
        1_000,
      ),
    ),
    backupKey: Type.Optional(
      text(
        'Entry of the Secret backup-keys in namespace vireo-system whose key (of age) encrypts archives in the pool and opens them again; the key of each host (backupKey in its agent.yaml) when absent.',
        253,
        { pattern: '^[-._a-zA-Z0-9]+$' },
      ),
    ),
    allowedNamespaces: Type.Optional(
      setList(
        objectName('Name of a namespace.'),
        256,
        'Namespaces whose guests may use the pool; all when absent.',
      ),
    ),
  },
  [
    {
      rule: "self.type == 'Btrfs' ? !has(self.directory) : !has(self.btrfs)",
      message: 'is only for a pool of its type',
      fieldPath: '.type',
    },
    { rule: 'self.type == oldSelf.type', message: 'cannot be changed', fieldPath: '.type' },
    {
      rule: '!has(self.shared) || !self.shared || (has(self.directory) && has(self.directory.path))',
      message: 'a shared pool needs directory.path, the same on all its hosts',
      fieldPath: '.shared',
    },
    {
      rule: '(has(self.shared) && self.shared) == (has(oldSelf.shared) && oldSelf.shared)',
      message: 'cannot be changed',
      fieldPath: '.shared',
    },
  ],
);

const status = object('What the pool offers.', {
  observedGeneration,
  conditions,
  capacity: Type.Optional(
    object('Sums over the hosts.', {
      total: Type.Optional(bytes('Size of the file systems.')),
      used: Type.Optional(text('Bytes in use.', 20)),
      allocated: Type.Optional(text('Bytes promised to volumes.', 20)),
    }),
  ),
  capabilities: Type.Optional(
    object('What the storage can do.', {
      snapshot: flag('Snapshots of volumes, of some formats at least.'),
      clone: flag('Volumes made from a snapshot.'),
      thin: flag('Space is taken when written.'),
      resize: flag('Volumes can grow.'),
      revoke: Type.Optional(
        flag('It can be taken from one of its hosts, which writes nothing to it any more then.'),
      ),
      formats: Type.Optional(setList(text('Format.', 16), 8, 'Disk formats.')),
    }),
  ),
  hosts: Type.Optional(
    mapList(
      object('The pool on one host.', {
        name: objectName('Name of the Host.'),
        state: oneOf(['Healthy', 'Unhealthy', 'Unknown'], 'Whether it can be used there.'),
        message: Type.Optional(text('Why not.', 1024)),
      }),
      ['name'],
      512,
      'Hosts that have the pool.',
    ),
  ),
});

export type StoragePoolSpec = Static<typeof spec>;
export type StoragePoolStatus = Static<typeof status>;
export type StoragePool = KubeObject<StoragePoolSpec, StoragePoolStatus>;

export const StoragePool = defineKind<StoragePool>({
  kind: 'StoragePool',
  plural: 'storagepools',
  namespaced: false,
  shortNames: ['pool'],
  description: 'Storage of hosts for volumes and images.',
  spec,
  status,
  columns: [
    { name: 'Type', type: 'string', jsonPath: '.spec.type', description: 'Kind of storage.' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'Usable on all its hosts.',
    },
    { name: 'Total', type: 'string', jsonPath: '.status.capacity.total', description: 'Size.' },
    { name: 'Used', type: 'string', jsonPath: '.status.capacity.used', description: 'In use.' },
    {
      name: 'Allocated',
      type: 'string',
      jsonPath: '.status.capacity.allocated',
      description: 'Promised to volumes.',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
