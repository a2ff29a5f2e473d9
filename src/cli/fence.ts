/** `kubectl vireo fence test HOST`: has all devices of a host tested now, and shows what each says. Nothing is switched. */
import { FenceDevice, TEST_REQUEST } from '../api/kinds/fenceDevice.ts';
import type { Stored } from '../api/meta.ts';
import type { Clock } from '../base/clock.ts';
import { ReasonedError } from '../base/outcome.ts';
import type { Client } from '../client/contract.ts';
import { printTable } from './table.ts';

const LOOK_EVERY_MS = 500;

/** What a test said: a table for people, and whether every device answered for the host. */
export type FenceTest = { text: string; passed: boolean };

/** `request` is a text no other test has used. Throws ReasonedError NoFenceDevice, or NotTested when the manager does nothing in time. */
export async function testFencing(
  client: Client,
  host: string,
  { clock, request, timeoutMs }: { clock: Clock; request: string; timeoutMs: number },
): Promise<FenceTest> {
  const { items } = await client.list(FenceDevice);
  const names = items
    .filter(({ spec }) => spec.hosts.some(({ name }) => name === host))
    .map(({ metadata }) => metadata.name);
  if (names.length === 0)
    throw new ReasonedError('NoFenceDevice', `no FenceDevice names ${host} in spec.hosts: make one`);
  const annotations = { [TEST_REQUEST]: request };
  for (const name of names) await client.mergePatch(FenceDevice, { name }, { metadata: { annotations } });
  const until = clock.monotonic() + timeoutMs;
  const tested = await Promise.all(names.map((name) => answered(name)));
  const rows = tested.map((device) => rowOf(device, host));
  return {
    text: printTable(
      ['device', 'plug', 'state', 'message'],
      rows.map(({ cells }) => cells),
    ),
    passed: rows.every(({ passed }) => passed),
  };

  async function answered(name: string): Promise<Stored<FenceDevice>> {
    for (;;) {
      const device = await client.get(FenceDevice, { name });
      if (device.status?.testedFor === request) return device;
      if (clock.monotonic() >= until)
        throw new ReasonedError('NotTested', `the manager has not tested ${name} in time: is it running?`);
      await clock.sleep(LOOK_EVERY_MS);
    }
  }
}

/** A device that could not be used at all says why in its Ready condition. */
function rowOf(
  { metadata, spec, status }: Stored<FenceDevice>,
  host: string,
): { cells: string[]; passed: boolean } {
  const plug = spec.hosts.find(({ name }) => name === host)?.plug ?? '';
  const row = status?.hosts?.find(({ name }) => name === host);
  const whole = status?.conditions?.find(({ type }) => type === 'Ready');
  const reason = row === undefined ? whole?.reason : row.reason;
  const message = row === undefined ? whole?.message : row.message;
  const said = reason === undefined ? '' : `${reason}: ${message ?? ''}`;
  return {
    cells: [metadata.name, plug, row?.state ?? 'Unknown', said],
    passed: row !== undefined && reason === undefined,
  };
}
