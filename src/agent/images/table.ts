/** The images this host keeps or makes: written by the images' controller, read by guests and the Host's status. */
import type { ImageFacts } from '../../drivers/storage/contract.ts';
import { type Announcement, createAnnouncement } from '../announcement.ts';

export type ImageState = {
  pool: string;
  kind: 'Disk' | 'ContainerRootfs';
  state: 'Pending' | 'Building' | 'Available' | 'Failed';
  reason?: string;
  message?: string;
  facts?: ImageFacts;
  allowedNamespaces: readonly string[] | undefined;
};

export type ImageTable = {
  get(name: string): ImageState | undefined;
  all(): ReadonlyMap<string, ImageState>;
  set(name: string, state: ImageState | undefined): void;
  /** Name of an image that became usable or unusable. */
  readonly usability: Announcement<string>;
  /** Name of an image of which anything changed, its progress included. */
  readonly changed: Announcement<string>;
};

/** No image is known. */
export function createImageTable(): ImageTable {
  const images = new Map<string, ImageState>();
  const usability = createAnnouncement<string>();
  const changed = createAnnouncement<string>();
  return {
    usability,
    changed,
    get: (name) => images.get(name),
    all: () => images,
    set: (name, state) => {
      const before = images.get(name);
      if (state === undefined) images.delete(name);
      else images.set(name, state);
      if (JSON.stringify(before) !== JSON.stringify(state)) changed.tell(name);
      if (usabilityOf(before) !== usabilityOf(state)) usability.tell(name);
    },
  };
}

function usabilityOf(image: ImageState | undefined): string {
  if (image === undefined) return '';
  return JSON.stringify([image.pool, image.state, image.facts?.checksum, image.allowedNamespaces]);
}
