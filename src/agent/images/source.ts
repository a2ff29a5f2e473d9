/** What an Image object asks to be made, in the words of the image builder, and a hash that changes when it has to be made again. */
import { createHash } from 'node:crypto';
import type { ImageSpec } from '../../api/kinds/image.ts';
import type { ImageSource } from '../../drivers/image/contract.ts';

/** The builder's source; undefined when the object names none (an older server let it through). */
export function imageSource({ source }: ImageSpec): ImageSource | undefined {
  if (source.path !== undefined) return { type: 'Path', path: source.path.path };
  if (source.build !== undefined) return { type: source.build.recipe };
  if (source.debootstrap !== undefined) {
    const { suite, mirror, packages } = source.debootstrap;
    return {
      type: 'Debootstrap',
      suite,
      packages: packages ?? [],
      ...(mirror === undefined ? {} : { mirror }),
    };
  }
  return undefined;
}

/** `sha256:<hex>` over kind and source. */
export function imageSourceHash(spec: ImageSpec): string {
  const text = JSON.stringify([spec.kind, imageSource(spec)]);
  return `sha256:${createHash('sha256').update(text).digest('hex')}`;
}
