/** The refusals every fence driver gives in the same words. */
import { ReasonedError } from '../../base/outcome.ts';

/** The program is not installed on the host that is to run it. */
export function agentMissing(agent: string): ReasonedError {
  const message = `this host has no fence agent ${agent}: install it (Debian: fence-agents) or choose one of those it has`;
  return new ReasonedError('FenceAgentMissing', message, { stalled: true });
}

/** What the agent's metadata does not allow, all of it at once. */
export function parametersInvalid(agent: string, problems: readonly string[]): ReasonedError {
  return new ReasonedError('FenceParametersInvalid', `${agent}: ${problems.join('; ')}`, { stalled: true });
}

/** The device did not answer within its time: it may have acted all the same. */
export function fenceTimeout(agent: string, action: string, timeoutMs: number): ReasonedError {
  const message = `${agent} did not end ${action} within ${timeoutMs / 1000} s: look at the device and its network, or give it a longer timeout`;
  return new ReasonedError('FenceTimeout', message);
}

/** The device answers and says no. */
export function deviceRefused(agent: string, action: string, said: string): ReasonedError {
  const message = `the device refused ${action} (${agent}): ${said}; check user name, password and plug`;
  return new ReasonedError('FenceDeviceRefused', message);
}

/** Nobody answers where the device should be. */
export function deviceUnreachable(agent: string, action: string, said: string): ReasonedError {
  const message = `the device does not answer ${action} (${agent}): ${said}; check its address, port and power`;
  return new ReasonedError('FenceDeviceUnreachable', message);
}

/** Any other failure, with what was said. */
export function fenceFailed(agent: string, action: string, said: string): ReasonedError {
  return new ReasonedError('FenceFailed', `${agent} failed to ${action}: ${said}`);
}
