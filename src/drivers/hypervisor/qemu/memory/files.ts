/** Where the memory of a machine is kept: a directory for each name in the guest's own, moved to its place once it is whole. */
import type { Files } from '../../../../base/files.ts';
import type { GuestHandle, MachineHardware, MachineRequest } from '../../contract.ts';
import type { KeptMemory } from '../../memory.ts';

/** Name of the socket that memory passes through, in the guest's directory of sockets. */
export const MEMORY_SOCKET = 'm';

export type MemoryPlace = { directory: string; state: string; machine: string };

function placeAt(directory: string): MemoryPlace {
  return { directory, state: `${directory}/state`, machine: `${directory}/machine.json` };
}

export const wholePlace = (guest: GuestHandle, name: string): MemoryPlace =>
  placeAt(`${guest.directory}/memory/${name}`);

/** Of memory that is being written. */
export const halfPlace = (guest: GuestHandle, name: string): MemoryPlace =>
  placeAt(`${guest.directory}/memory/.half-${name}`);

/** What stands of a name, whole or not, goes. */
export async function removeMemory(files: Files, guest: GuestHandle, name: string): Promise<void> {
  for (const { directory } of [halfPlace(guest, name), wholePlace(guest, name)])
    await files.removeTree(directory);
}

/** The machine whose memory is kept under this name; undefined: there is no whole one. */
export async function findMemory(
  files: Files,
  guest: GuestHandle,
  name: string,
): Promise<KeptMemory<MachineRequest, MachineHardware> | undefined> {
  const text = await files.readText(wholePlace(guest, name).machine);
  return text === undefined ? undefined : (JSON.parse(text) as KeptMemory<MachineRequest, MachineHardware>);
}
