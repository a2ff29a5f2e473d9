/** Makes image files. Long work: takes an AbortSignal, reports progress, and leaves nothing but the file in its directory. */

export type ImageSource =
  /** A file on this host; the path is already checked against the host's allow-list. */
  | { type: 'Path'; path: string }
  /** A bootable disk with the distribution's own kernel and a busybox userland: serial console prompt, DHCP, ACPI. */
  | { type: 'DemoDisk' }
  /** A container root file system of a few MB around busybox. */
  | { type: 'BusyboxRootfs' }
  | { type: 'Debootstrap'; suite: string; mirror?: string; packages: readonly string[] };

export type BuiltImage = { file: string; kind: 'Disk' | 'ContainerRootfs' };

export type ImageBuilder = {
  /** Programs that are missing for this source, with the Debian package of each. */
  missing(source: ImageSource): Promise<{ program: string; package: string }[]>;
  /** Throws ReasonedError: ToolMissing, SourceMissing, ImageBroken, BuildFailed (last lines of the tool). */
  build(
    source: ImageSource,
    options: {
      directory: string;
      kind: 'Disk' | 'ContainerRootfs';
      signal: AbortSignal;
      progress(text: string): void;
    },
  ): Promise<BuiltImage>;
};
