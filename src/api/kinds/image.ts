/** Image: what disks and container root file systems are made from. */
import {
  conditions,
  mapList,
  object,
  objectName,
  observedGeneration,
  oneOf,
  type Static,
  setList,
  Type,
  text,
  union,
} from '../fields.ts';
import { defineKind } from '../kind.ts';
import type { KubeObject } from '../meta.ts';

const spec = object(
  'What the image is.',
  {
    kind: oneOf(['Disk', 'ContainerRootfs'], 'What it can be used for.'),
    pool: objectName('StoragePool that keeps it.'),
    source: union('Where it comes from: exactly one.', {
      path: object('A file on each host: qcow2 or raw for a Disk, a tar archive for a ContainerRootfs.', {
        path: text("Absolute path, below an image path of the host's allow-list.", 1024, {
          pattern: '^/[^\\x00]+$',
        }),
      }),
      build: object("Made on the host from the distribution's own packages.", {
        recipe: oneOf(
          ['DemoDisk', 'BusyboxRootfs'],
          'DemoDisk: a small bootable disk with a serial console. BusyboxRootfs: a small container root.',
        ),
      }),
      debootstrap: object('A Debian or Ubuntu root file system by debootstrap(8).', {
        suite: text('Release, such as bookworm.', 64, { pattern: '^[a-z][a-z0-9-]*$' }),
        mirror: Type.Optional(text('URL of the mirror.', 512, { pattern: '^https?://[^ ]+$' })),
        packages: Type.Optional(
          setList(text('Package.', 128, { pattern: '^[a-z0-9][a-z0-9+.-]*$' }), 256, 'Added packages.'),
        ),
      }),
    }),
    allowedNamespaces: Type.Optional(
      setList(
        objectName('Name of a namespace.'),
        256,
        'Namespaces whose guests may use the image; all when absent.',
      ),
    ),
  },
  [
    {
      rule: "!has(self.source.debootstrap) || self.kind == 'ContainerRootfs'",
      message: 'debootstrap makes a ContainerRootfs',
      fieldPath: '.kind',
    },
    {
      rule: "!has(self.source.build) || (self.source.build.recipe == 'DemoDisk') == (self.kind == 'Disk')",
      message: 'recipe DemoDisk makes a Disk, BusyboxRootfs a ContainerRootfs',
      fieldPath: '.kind',
    },
  ],
);

const status = object('What the image is on the hosts.', {
  observedGeneration,
  conditions,
  format: Type.Optional(text('Format of the stored image.', 16)),
  virtualSize: Type.Optional(text('Size of a disk made from it.', 20)),
  checksum: Type.Optional(text('sha256:HEX of the stored file.', 80)),
  hosts: Type.Optional(
    mapList(
      object('The image on one host.', {
        name: objectName('Name of the Host.'),
        state: oneOf(['Pending', 'Building', 'Available', 'Failed'], 'How far it is there.'),
        message: Type.Optional(text('What it is doing, or why it failed.', 1024)),
      }),
      ['name'],
      512,
      'Hosts that keep the image.',
    ),
  ),
});

export type ImageSpec = Static<typeof spec>;
export type ImageStatus = Static<typeof status>;
export type Image = KubeObject<ImageSpec, ImageStatus>;

export const Image = defineKind<Image>({
  kind: 'Image',
  plural: 'images',
  namespaced: false,
  shortNames: ['img'],
  description: 'What disks and container root file systems are made from.',
  spec,
  status,
  columns: [
    { name: 'Kind', type: 'string', jsonPath: '.spec.kind', description: 'What it can be used for.' },
    {
      name: 'Ready',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].status',
      description: 'Available on all its hosts.',
    },
    { name: 'Pool', type: 'string', jsonPath: '.spec.pool', description: 'Where it is kept.' },
    {
      name: 'Size',
      type: 'string',
      jsonPath: '.status.virtualSize',
      description: 'Size of a disk made from it.',
    },
    {
      name: 'Reason',
      type: 'string',
      jsonPath: '.status.conditions[?(@.type=="Ready")].reason',
      description: 'Why it is or is not ready.',
      priority: 1,
    },
    { name: 'Age', type: 'date', jsonPath: '.metadata.creationTimestamp', description: 'Age.' },
  ],
});
