/** QEMU's run states in the words of the driver contract. Pure. https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html (RunState) */

/** `PoweredOff` and `Crashed`: the guest has come to its end and only its process is left. */
export type RunState = 'Prelaunch' | 'Running' | 'Paused' | 'PoweredOff' | 'Crashed';

const states: Readonly<Record<string, RunState>> = {
  prelaunch: 'Prelaunch',
  inmigrate: 'Prelaunch',
  running: 'Running',
  // Asleep (ACPI S3): it wakes by itself, nobody has to resume it.
  suspended: 'Running',
  shutdown: 'PoweredOff',
  'guest-panicked': 'Crashed',
  // KVM could not go on; no instruction of this guest will ever run again.
  'internal-error': 'Crashed',
};

/** All other states (paused, io-error, postmigrate, save-vm, ...) are a guest that stands still. */
export function runState(status: string): RunState {
  return states[status] ?? 'Paused';
}
