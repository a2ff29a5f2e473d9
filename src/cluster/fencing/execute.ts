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
/** A device that has refused is given a moment. */
const RETRY_AFTER_MS = 500;
/** A device that was told is asked once in any case. */
const LEAST_MS = 1_000;

type Outlet = { name: string; target: ProbeTarget; timeoutMs: number; retries: number };

/** Milliseconds that are left of an action's time. */
type Left = () => { signal: AbortSignal; timeoutMs: number };

/** Resolves when every device has said that the host, or its port, is off. Throws ReasonedError, the host being in any state. */
export async function switchOff(
  host: string,
  devices: readonly string[],
  sources: ExecuteSources,
): Promise<void> {
  const outlets = await Promise.all(devices.map((name) => outletOf(host, name, sources)));
  const { fence, clock, signal } = sources;
  await Promise.all(
    outlets.map((outlet) =>
      tryAgain(outlet, sources, async (left, isOver) => {
        await fence.off(outlet.target, left());
        while ((await fence.state(outlet.target, left())) !== 'Off') {
          if (isOver())
            throw new ReasonedError(
              'StillOn',
              `${outlet.name} was told to switch ${host} off and says that it is on`,
            );
          await clock.sleep(LOOK_EVERY_MS, signal);
        }
      }),
    ),
  );
}

/** The action of one device, again when it fails: all tries together take no longer than one may, so that no other level waits for them. */
async function tryAgain(
  { timeoutMs, retries }: Outlet,
  { clock, signal }: ExecuteSources,
  act: (left: Left, isOver: () => boolean) => Promise<void>,
): Promise<void> {
  const until = clock.monotonic() + timeoutMs;
  const left = () => ({ signal, timeoutMs: Math.max(LEAST_MS, until - clock.monotonic()) });
  const isOver = () => clock.monotonic() >= until;
  for (let again = retries; ; again -= 1) {
    try {
      return await act(left, isOver);
    } catch (error) {
      const hasTime = until - clock.monotonic() >= LEAST_MS + RETRY_AFTER_MS;
      if (!(error instanceof ReasonedError) || again === 0 || !hasTime) throw error;
    }
    await clock.sleep(RETRY_AFTER_MS, signal);
  }
}

/** Tells every device to switch the host, or its port, on. Throws ReasonedError. */
export async function switchOn(
  host: string,
  devices: readonly string[],
  sources: ExecuteSources,
): Promise<void> {
  for (const name of devices) {
    const outlet = await outletOf(host, name, sources);
    await tryAgain(outlet, sources, (left) => sources.fence.on(outlet.target, left()));
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
    retries: spec.retries ?? 0,
    timeoutMs: Math.min((spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000, mostMs),
  };
}
