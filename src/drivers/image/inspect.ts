/**
 * Looks at a file that somebody else made before it is trusted as a disk or a root file system. A qcow2 may name other files of this
 * host as its backing or data file, and a guest would then read them: such an image is refused.
 */
import { ReasonedError } from '../../base/outcome.ts';
import { explainFailure } from '../../base/processes.ts';
import type { World } from '../../base/world.ts';

export type DiskFacts = { format: 'raw' | 'qcow2'; virtualSizeBytes: number };

const inspectTimeoutMs = 120_000;
const listTimeoutMs = 600_000;

/** The error for a file that is not what it should be; stalled, because only another file helps. */
export function imageBroken(message: string): ReasonedError {
  return new ReasonedError('ImageBroken', message, { stalled: true });
}

/** Format and size of a disk image. Throws ReasonedError ImageBroken. */
export async function inspectDisk(world: World, path: string, signal?: AbortSignal): Promise<DiskFacts> {
  const name = path.split('/').at(-1) ?? path;
  const argv = ['qemu-img', 'info', '--output=json', path];
  const result = await world.processes.run(argv, limited(inspectTimeoutMs, signal));
  signal?.throwIfAborted();
  if (result.code === 127)
    throw new ReasonedError(
      'ToolMissing',
      `${explainFailure(argv, result)}; run: apt-get install qemu-utils`,
      { stalled: true },
    );
  if (result.code !== 0) throw imageBroken(`${name} is no disk image: ${explainFailure(argv, result)}`);
  const facts = judgeDisk(name, JSON.parse(result.stdout));
  if (facts.format === 'qcow2') await checkQcow2(world, path, signal);
  return facts;
}

/** Judges the output of `qemu-img info --output=json`. Throws ReasonedError ImageBroken. */
export function judgeDisk(name: string, info: unknown): DiskFacts {
  const facts = fields(info);
  const details = fields(fields(facts['format-specific']).data);
  const format = facts.format;
  const virtualSizeBytes = facts['virtual-size'];
  if (format !== 'raw' && format !== 'qcow2') {
    throw imageBroken(`${name} has format ${String(format)}; convert it: qemu-img convert -O qcow2 OLD NEW`);
  }
  if (facts['backing-filename'] !== undefined || details['data-file'] !== undefined) {
    throw imageBroken(`${name} refers to another file; make it whole: qemu-img convert -O qcow2 OLD NEW`);
  }
  if (details.encrypt !== undefined) throw imageBroken(`${name} is encrypted`);
  if (typeof virtualSizeBytes !== 'number' || virtualSizeBytes === 0) throw imageBroken(`${name} is empty`);
  return { format, virtualSizeBytes };
}

/** Exit codes of qemu-img check (qemu-img(1)): 2 corrupt; 3 leaked clusters, which are harmless; 63 not supported. */
async function checkQcow2(world: World, path: string, signal?: AbortSignal): Promise<void> {
  const argv = ['qemu-img', 'check', '-q', '-f', 'qcow2', path];
  const result = await world.processes.run(argv, limited(listTimeoutMs, signal));
  signal?.throwIfAborted();
  if (result.code !== 0 && result.code !== 3)
    throw imageBroken(`${path.split('/').at(-1)} is damaged: ${explainFailure(argv, result)}`);
}

/** Checks that a (compressed) tar archive can be read to its end and holds an init. Throws ReasonedError ImageBroken. */
export async function inspectRootfsArchive(world: World, path: string, signal?: AbortSignal): Promise<void> {
  const name = path.split('/').at(-1) ?? path;
  const argv = ['tar', '-tf', path];
  const result = await world.processes.run(argv, limited(listTimeoutMs, signal));
  signal?.throwIfAborted();
  if (result.code !== 0)
    throw imageBroken(`${name} is no readable tar archive: ${explainFailure(argv, result)}`);
  if (!/^(\.?\/)?(usr\/)?sbin\/init$/m.test(result.stdout)) {
    throw imageBroken(`${name} holds no /sbin/init; a container's root file system needs one`);
  }
}

function limited(timeoutMs: number, signal: AbortSignal | undefined) {
  return signal === undefined ? { timeoutMs } : { timeoutMs, signal };
}

function fields(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
}
