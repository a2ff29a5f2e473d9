/** Why QEMU refused to start, from its own words: a constant reason and what to do. Pure. */
import { ReasonedError } from '../../../base/outcome.ts';
import { VOLUME_LOCKED } from '../contract.ts';

type Known = { words: RegExp; reason: string; advice: string; stalled: boolean };

/** Only what a person can do something about; the rest is QemuFailed with QEMU's words. */
const known: readonly Known[] = [
  {
    words: /Failed to get "?(?:write|shared "?write)"? lock|Failed to lock/i,
    reason: VOLUME_LOCKED,
    advice:
      'another process holds the lock of a volume, here (lslocks) or on another host. Of a host that was lost the file server gives it up by itself (NFS 4, after about 90 s) or when it is told to (NFS 3)',
    stalled: false,
  },
  {
    words:
      /Image is corrupt|Image is not in \S+ format|Could not read (?:L1|the) |invalid (?:header|cluster)/i,
    reason: 'VolumeBroken',
    advice: 'check the volume with qemu-img check, or restore it from a backup',
    stalled: true,
  },
  {
    words: /Could not open '[^']*': No such file/i,
    reason: 'VolumeMissing',
    advice: 'a file of the guest is not there',
    stalled: false,
  },
  {
    words: /No space left on device/i,
    reason: 'DiskFull',
    advice: 'free some space on this host',
    stalled: false,
  },
  {
    words: /cannot set up guest memory|Cannot allocate memory/i,
    reason: 'MemoryShortage',
    advice: 'the host has not enough free memory for this guest',
    stalled: false,
  },
  {
    words: /could not configure \/dev\/net\/tun|could not open \/dev\/net\/tun/i,
    reason: 'InterfaceMissing',
    advice: 'the tap interface is missing or busy',
    stalled: false,
  },
  {
    words: /unable to find CPU model|unsupported machine type/i,
    reason: 'HardwareUnsupported',
    advice: 'choose a CPU model and a machine type that this QEMU knows',
    stalled: true,
  },
];

/** The error of a start that QEMU itself ended. `output` is what it printed. */
export function refusal(name: string, output: string, exitCode: number | undefined): ReasonedError {
  const said = output
    .split('\n')
    .filter((line) => line.trim() !== '' && !/warning:/i.test(line))
    .slice(-3)
    .map((line) => line.replace(/^\S+Z /, '').replace(/^qemu-system-\S+: /, ''))
    .join(' ')
    .slice(0, 400);
  const match = known.find(({ words }) => words.test(said));
  if (match !== undefined) {
    const { reason, advice, stalled } = match;
    return new ReasonedError(reason, `${name} cannot start: ${advice}. QEMU says: ${said}`, { stalled });
  }
  const how = exitCode === undefined ? 'QEMU ended' : `QEMU ended with code ${exitCode}`;
  return new ReasonedError('QemuFailed', `${name} cannot start: ${how}${said === '' ? '' : `: ${said}`}`);
}
