/** Cuts a host off by all devices of one level, or its switch ports, and asks each of them afterwards: only what it says then counts. */
import type { FenceDevice } from '../../api/kinds/fenceDevice.ts';
import type { Stored } from '../../api/meta.ts';
import type { Clock } from '../../base/clock.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Client } from '../../client/contract.ts';
import type { FenceProbe, FenceSwitch, ProbeTarget } from './probe.ts';
import { targetOf } from './target.ts';

export type ExecuteSources = {
  /** What the devices are to cut; others are refused. */
  reach: 'Power' | 'Fabric';
  fence: FenceProbe & FenceSwitch;
  device(name: string): Stored<FenceDevice> | undefined;
  /** Longer than this no device is waited for, whatever it is allowed; absent: as long as that. */
  mostMs?: number;
  client: Client;
  clock: Clock;
  signal: AbortSignal;
};

const DEFAULT_TIMEOUT_SECONDS = 20;
/** A machine takes a moment to be off after it was told so. */
const LOOK_EVERY_MS = 250;
/** A device that was told is asked once in any case. */
const LEAST_MS = 1_000;

type Outlet = { name: string; target: ProbeTarget; timeoutMs: number };

/** Resolves when every device has said that the host, or its port, is off. Throws ReasonedError, the host being in any state. */
export async function switchOff(
  host: string,
  devices: readonly string[],
  sources: ExecuteSources,
): Promise<void> {
  const outlets = await Promise.all(devices.map((name) => outletOf(host, name, sources)));
  const { fence, clock, signal } = sources;
  await Promise.all(
    outlets.map(async ({ name, target, timeoutMs }) => {
      const until = clock.monotonic() + timeoutMs;
      const left = () => ({ signal, timeoutMs: Math.max(LEAST_MS, until - clock.monotonic()) });
      await fence.off(target, left());
      while ((await fence.state(target, left())) !== 'Off') {
        if (clock.monotonic() >= until)
          throw new ReasonedError('StillOn', `${name} was told to switch ${host} off and says that it is on`);
        await clock.sleep(LOOK_EVERY_MS, signal);
      }
    }),
  );
}

/** Tells every device to switch the host, or its port, on. Throws ReasonedError. */
export async function switchOn(
  host: string,
  devices: readonly string[],
  sources: ExecuteSources,
): Promise<void> {
  const { fence, signal } = sources;
  for (const name of devices) {
    const { target, timeoutMs } = await outletOf(host, name, sources);
    await fence.on(target, { signal, timeoutMs });
  }
}

async function outletOf(
  host: string,
  name: string,
  { reach, device, client, signal, fence, mostMs = Number.POSITIVE_INFINITY }: ExecuteSources,
): Promise<Outlet> {
  const found = device(name);
  if (found === undefined)
    throw new ReasonedError(
      'FenceDeviceMissing',
      `there is no FenceDevice ${name}: make it, or correct the Host`,
    );
  const { spec } = found;
  const entry = spec.hosts.find((one) => one.name === host);
  if (entry === undefined)
    throw new ReasonedError(
      'HostUnknown',
      `FenceDevice ${name} does not name ${host}: add it to spec.hosts, or correct the Host`,
    );
  const cuts = await fence.reach(spec.agent);
  if (reach === 'Fabric' && cuts !== reach)
    throw new ReasonedError('NoSwitchPort', `${name} cuts more than the network: it does not disconnect`);
  if (cuts !== reach)
    throw new ReasonedError(
      'FabricProvesNothing',
      `${name} cuts only the network, and guests run on behind it: name a device that cuts the power`,
    );
  const target = await targetOf(spec, client, signal);
  const { plug } = entry;
  return {
    name,
    target: plug === undefined ? target : { ...target, plug },
    timeoutMs: Math.min((spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000, mostMs),
  };
}
