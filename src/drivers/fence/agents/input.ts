/** What an agent reads on its standard input: one `name=value` line for each parameter. FenceAgentAPI, https://github.com/ClusterLabs/fence-agents. */
import type { FenceAction, FenceAgentFacts, FenceTarget } from '../contract.ts';

/** An agent that waits for the device to have switched as long as it may run is killed before it says that it has not. */
const SHARE_FOR_SWITCHING = 0.75;

/** `timeoutMs`: how long the agent may run in all. What the target says itself goes before. */
export function inputOf(
  facts: FenceAgentFacts,
  { parameters, secrets, plug }: FenceTarget,
  action: FenceAction,
  timeoutMs: number,
): string {
  const knows = (name: string) => facts.parameters.some((parameter) => parameter.name === name);
  const seconds = Math.max(1, Math.floor((timeoutMs * SHARE_FOR_SWITCHING) / 1_000));
  const lines = Object.entries({
    ...(knows('power_timeout') ? { power_timeout: String(seconds) } : {}),
    ...parameters,
    ...secrets,
    // The older agents know a plug as `port` only.
    ...(plug === undefined ? {} : { [knows('plug') ? 'plug' : 'port']: plug }),
    action,
  });
  return lines.map(([name, value]) => `${name}=${value}\n`).join('');
}
