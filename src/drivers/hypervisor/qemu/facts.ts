/** What the QEMU of this host is and can do. KVM counts only when it has run a guest: an open /dev/kvm proves nothing. */
import { explainFailure } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';
import type { HypervisorFacts, QemuFacts } from '../contract.ts';
import { findAcceleration } from './acceleration.ts';

const programs = ['qemu-system-x86_64', '/usr/libexec/qemu-kvm'];

/** Where distributions put OVMF: Debian and Ubuntu, Fedora and RHEL, openSUSE, Arch. Code and variables are of one size. */
const firmwares = [
  { code: '/usr/share/OVMF/OVMF_CODE_4M.fd', variables: '/usr/share/OVMF/OVMF_VARS_4M.fd' },
  { code: '/usr/share/edk2/ovmf/OVMF_CODE.fd', variables: '/usr/share/edk2/ovmf/OVMF_VARS.fd' },
  { code: '/usr/share/qemu/ovmf-x86_64-code.bin', variables: '/usr/share/qemu/ovmf-x86_64-vars.bin' },
  { code: '/usr/share/edk2/x64/OVMF_CODE.4m.fd', variables: '/usr/share/edk2/x64/OVMF_VARS.4m.fd' },
];

/** Interpreted by QEMU itself on a busy host. */
const tcgProbeMs = 20_000;

type Ports = Pick<World, 'files' | 'processes'>;

/** Finds out everything; takes up to three seconds where KVM does not work. `scratchDirectory` holds the probe while it runs. */
export async function gatherFacts(world: Ports, scratchDirectory: string): Promise<HypervisorFacts> {
  const program = await findProgram(world);
  if (program === undefined) {
    const message =
      'QEMU is not installed: install qemu-system-x86 (Debian, Ubuntu) or qemu-kvm (Fedora, RHEL)';
    return { available: false, reason: 'QemuMissing', message };
  }
  const [versionText, machineText] = await Promise.all([
    world.processes.run([program, '--version'], { timeoutMs: 10_000 }),
    world.processes.run([program, '-machine', 'help'], { timeoutMs: 10_000 }),
  ]);
  const machineTypes = parseMachineTypes(machineText.stdout);
  if (machineTypes === undefined) {
    const why = explainFailure([program, '-machine', 'help'], machineText);
    const message = `QEMU names no machine types: reinstall it. ${why}`;
    return { available: false, reason: 'QemuBroken', message };
  }
  const version = /version (\S+)/.exec(versionText.stdout)?.[1];
  const uefi = await findFirmware(world);
  return {
    available: true,
    ...(version === undefined ? {} : { version }),
    ...(await findAcceleration(world, program, scratchDirectory)),
    qemu: {
      program,
      machineTypes,
      ...(uefi === undefined ? {} : { uefi }),
      sandbox: await canSandbox(world, program),
      vhostNet: (await world.files.stat('/dev/vhost-net')) !== undefined,
    },
  };
}

async function findProgram({ processes }: Ports): Promise<string | undefined> {
  for (const program of programs) {
    const path = await processes.which(program);
    if (path !== undefined) return path;
  }
  return undefined;
}

async function findFirmware({ files }: Ports): Promise<QemuFacts['uefi']> {
  for (const firmware of firmwares) {
    const found = await Promise.all(Object.values(firmware).map((path) => files.realPath(path)));
    if (!found.includes(undefined)) return firmware;
  }
  return undefined;
}

/** The versioned types behind the names `q35` and `pc` in what `-machine help` prints. */
export function parseMachineTypes(text: string): QemuFacts['machineTypes'] | undefined {
  const aliasOf = (name: string) => new RegExp(`^${name}\\s.*\\(alias of (\\S+)\\)`, 'm').exec(text)?.[1];
  const [q35, pc] = [aliasOf('q35'), aliasOf('pc')];
  return q35 === undefined || pc === undefined ? undefined : { q35, pc };
}

/** A QEMU built without seccomp, or inside a container that forbids it, refuses the option. */
async function canSandbox(world: Ports, program: string): Promise<boolean> {
  const filter = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';
  const machine = ['-machine', 'none', '-nodefaults', '-no-user-config', '-display', 'none'];
  const argv = [program, '-sandbox', filter, ...machine, '-monitor', 'stdio'];
  const result = await world.processes.run(argv, { input: 'quit\n', timeoutMs: tcgProbeMs });
  return result.code === 0;
}
