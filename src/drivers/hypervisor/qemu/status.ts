/** QEMU's run states in the words of the driver contract. Pure. https://www.qemu.org/docs/master/interop/qemu-qmp-ref.html (RunState) */

/** `PoweredOff` and `Crashed`: the guest has come to its end and only its process is left. */
export type RunState =
  | 'Prelaunch'
  | 'Running'
  | 'Paused'
  | 'Incoming'
  | 'HandedOver'
  | 'PoweredOff'
  | 'Crashed';

const states: Readonly<Record<string, RunState>> = {
  prelaunch: 'Prelaunch',
  inmigrate: 'Incoming',
  postmigrate: 'HandedOver',
  // Stands still for the last of its memory, and runs on by itself if that fails.
  'finish-migrate': 'Running',
  running: 'Running',
  // Asleep (ACPI S3): it wakes by itself, nobody has to resume it.
  suspended: 'Running',
  shutdown: 'PoweredOff',
  'guest-panicked': 'Crashed',
  // KVM could not go on; no instruction of this guest will ever run again.
  'internal-error': 'Crashed',
};

/** All other states (paused, io-error, save-vm, ...) are a guest that stands still. */
export function runState(status: string): RunState {
  return states[status] ?? 'Paused';
}
