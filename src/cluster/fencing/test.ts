/** One test of a fence device: it is asked for the state of each of its hosts, and nothing is switched. */
import type { FenceDeviceSpec, FenceDeviceStatus, TestedHost } from '../../api/kinds/fenceDevice.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { Client } from '../../client/contract.ts';
import type { FenceProbe, ProbeTarget } from './probe.ts';
import { targetOf } from './target.ts';

export type TestSources = {
  fence: FenceProbe;
  client: Client;
  signal: AbortSignal;
  isHost(name: string): boolean;
};

type Reach = Awaited<ReturnType<FenceProbe['reach']>>;

/** Reason of a row whose Host does not exist. */
export const HOST_UNKNOWN = 'HostUnknown';

const STATES = {
  Power: { On: 'PoweredOn', Off: 'PoweredOff' },
  Fabric: { On: 'Connected', Off: 'Disconnected' },
} as const satisfies Record<Reach, Record<'On' | 'Off', TestedHost['state']>>;

const DEFAULT_TIMEOUT_SECONDS = 20;

/** Throws ReasonedError when the device cannot be used for any host: its agent or Secret is missing or unfit. */
export async function testDevice(
  spec: FenceDeviceSpec,
  sources: TestSources,
): Promise<Required<Pick<FenceDeviceStatus, 'reach' | 'hosts'>>> {
  const { fence, client, signal } = sources;
  const reach = await fence.reach(spec.agent);
  const target = await targetOf(spec, client, signal);
  const hosts: TestedHost[] = [];
  // One after the other: many devices allow one session only.
  for (const host of spec.hosts) hosts.push(await ask(host, reach, target));
  return { reach, hosts };

  async function ask(
    { name, plug }: FenceDeviceSpec['hosts'][number],
    cuts: Reach,
    device: ProbeTarget,
  ): Promise<TestedHost> {
    if (!sources.isHost(name)) {
      const message = `there is no Host ${name}: correct the name, or let the machine join`;
      return { name, state: 'Unknown', reason: HOST_UNKNOWN, message };
    }
    const timeoutMs = (spec.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS) * 1_000;
    try {
      const outlet = plug === undefined ? device : { ...device, plug };
      return { name, state: STATES[cuts][await fence.state(outlet, { signal, timeoutMs })] };
    } catch (error) {
      if (!(error instanceof ReasonedError)) throw error;
      return { name, state: 'Unknown', reason: error.reason, message: error.message.slice(0, 1024) };
    }
  }
}
