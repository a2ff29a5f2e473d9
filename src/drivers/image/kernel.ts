/** Takes a kernel and the few modules a small guest needs out of unpacked kernel packages. */
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { runOrFail } from './command.ts';

export type KernelModule = { name: string; content: Uint8Array };
/** `modules` are those that the guest's service waits for; `others` may need them. */
export type Kernel = { image: string; modules: KernelModule[]; others: KernelModule[] };

/** Without these the guest has no disk, no network or no way to be shut down. */
const requiredModules = ['virtio_pci', 'virtio_blk', 'virtio_net', 'button', 'evdev'];
/** A service of the guest may speak to its host by it. */
const portModule = 'virtio_console';
const optionalModules = ['virtio_scsi', 'sd_mod', 'virtio_balloon', 'virtio_rng', 'i8042', 'atkbd'];

/** The kernel image's path and its modules, dependencies of each before it. Throws ReasonedError BuildFailed when a required module is absent. */
export async function collectKernel(world: World, unpacked: string, signal: AbortSignal): Promise<Kernel> {
  const found = await runOrFail(
    world,
    [
      'find',
      unpacked,
      '(',
      '-name',
      'vmlinuz-*',
      '-o',
      '-name',
      '*.ko*',
      '-o',
      '-name',
      'modules.builtin',
      ')',
      '-type',
      'f',
    ],
    { signal },
  );
  const paths = found.stdout.split('\n').filter((path) => path !== '');
  const image = paths.find((path) => /\/vmlinuz-[^/]*$/.test(path));
  if (image === undefined) throw new ReasonedError('BuildFailed', 'the kernel package holds no vmlinuz');
  const builtinPath = paths.find((path) => path.endsWith('/modules.builtin'));
  const builtin = builtinPath === undefined ? '' : await world.files.readText(builtinPath);
  return {
    image,
    ...(await collectModules(world, {
      paths: byModuleName(paths.filter((path) => /\.ko(\.\w+)?$/.test(path))),
      builtin: new Set(byModuleName((builtin ?? '').split('\n')).keys()),
      signal,
    })),
  };
}

type Modules = { paths: ReadonlyMap<string, string>; builtin: ReadonlySet<string>; signal: AbortSignal };

async function collectModules(world: World, from: Modules): Promise<Omit<Kernel, 'image'>> {
  const ordered = new Map<string, KernelModule>();
  const add = async (name: string, required: boolean): Promise<void> => {
    if (ordered.has(name) || from.builtin.has(name)) return;
    const path = from.paths.get(name);
    if (path === undefined) {
      if (required) throw new ReasonedError('BuildFailed', `the kernel package holds no module ${name}`);
      return;
    }
    const content = await readModule(world, path, from.signal);
    for (const dependency of moduleDependencies(content)) await add(dependency, true);
    ordered.set(name, { name, content });
  };
  for (const name of requiredModules) await add(name, true);
  await add(portModule, false);
  const modules = [...ordered.values()];
  for (const name of optionalModules) await add(name, false);
  return { modules, others: [...ordered.values()].slice(modules.length) };
}

/** Module names use `_` where file names may use `-` (modprobe(8)). */
function byModuleName(paths: readonly string[]): Map<string, string> {
  return new Map(
    paths
      .filter((path) => path !== '')
      .map((path) => [(path.split('/').at(-1) ?? '').replace(/\.ko.*$/, '').replaceAll('-', '_'), path]),
  );
}

/** Newer distributions compress modules; the small guest's `insmod` loads plain ones only. */
async function readModule(world: World, path: string, signal: AbortSignal): Promise<Uint8Array> {
  let plain = path;
  if (path.endsWith('.zst')) {
    plain = path.slice(0, -'.zst'.length);
    await runOrFail(world, ['zstd', '-d', '-q', '-f', path, '-o', plain], { signal });
  } else if (path.endsWith('.xz')) {
    plain = path.slice(0, -'.xz'.length);
    await runOrFail(world, ['xz', '-d', '-f', path], { signal });
  }
  const content = await world.files.readBytes(plain);
  if (content === undefined) throw new ReasonedError('BuildFailed', `cannot read the module ${path}`);
  return content;
}

/** The names in the module's own `depends=` line: its `.modinfo` section is a row of zero-terminated texts. */
export function moduleDependencies(content: Uint8Array): string[] {
  const bytes = Buffer.from(content.buffer, content.byteOffset, content.byteLength);
  const at = bytes.indexOf('\0depends=');
  if (at < 0) return [];
  const from = at + '\0depends='.length;
  const text = bytes.toString('latin1', from, bytes.indexOf(0, from));
  return text.split(',').filter((name) => name !== '');
}
