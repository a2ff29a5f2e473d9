/** Runs `ip` and `nft`: what they refuse becomes a ReasonedError that says what to do. */
import { ReasonedError } from '../../../base/outcome.ts';
import { explainFailure, type RunResult } from '../../../base/processes.ts';
import type { World } from '../../../base/world.ts';

const timeoutMs = 20_000;

/** Runs to success. Throws ReasonedError IpMissing, NftMissing, RootRequired or NetworkFailed. */
export async function runNetworkTool(
  world: World,
  argv: readonly string[],
  input?: string,
): Promise<RunResult> {
  const result = await world.processes.run(argv, input === undefined ? { timeoutMs } : { timeoutMs, input });
  if (result.code === 0 && !result.timedOut) return result;
  if (result.code === 127) throw programMissing(argv[0] ?? '');
  if (/Operation not permitted|Permission denied/.test(result.stderr)) throw rootRequired();
  throw new ReasonedError('NetworkFailed', explainFailure(argv, result));
}

/** The error for a program that is not installed. */
export function programMissing(program: string): ReasonedError {
  const known: Readonly<Record<string, [string, string]>> = {
    nft: ['NftMissing', 'nftables'],
    dnsmasq: ['DnsmasqMissing', 'dnsmasq-base'],
    ip: ['IpMissing', 'iproute2'],
  };
  const [reason, name] = known[program] ?? ['ToolMissing', program];
  return new ReasonedError(reason, `${program} is missing on this host; run: apt-get install ${name}`, {
    stalled: true,
  });
}

/** The error for a driver without the right to change the network. */
export function rootRequired(): ReasonedError {
  const message =
    'taps, bridges and the NAT network need root (CAP_NET_ADMIN); run the agent as root or use user networks';
  return new ReasonedError('RootRequired', message, { stalled: true });
}
