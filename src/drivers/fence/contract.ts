/**
 * What a fence driver is: it tells the device of a host to cut its power or its network, and asks it how things stand. It proves nothing by
 * itself: that a command succeeded is not evidence, only a later `status` that says Off is.
 */

/** What a device can be told: the actions of the FenceAgentAPI without `reboot`, which is `off`, `status`, then `on` for whoever needs proof. */
export type FenceAction = 'on' | 'off' | 'status' | 'monitor' | 'list';

/** What the outlet, the machine or the port is. */
export type PowerState = 'On' | 'Off';

/** `Power`: a machine that is off executes nothing. `Fabric`: it only cuts the way to network or storage, and its guests run on. */
export type FenceReach = 'Power' | 'Fabric';

/** One parameter of an agent, as its metadata describes it. */
export type FenceParameter = {
  name: string;
  description: string;
  type: 'string' | 'boolean' | 'integer' | 'second' | 'select';
  required: boolean;
  default?: string;
  /** The values of a `select`. */
  options: readonly string[];
  deprecated: boolean;
  /** The older name that this one replaces. */
  obsoletes?: string;
};

/** What an agent says of itself. */
export type FenceAgentFacts = {
  name: string;
  description: string;
  reach: FenceReach;
  actions: readonly string[];
  parameters: readonly FenceParameter[];
};

/** A device and the part of it that belongs to one host. `secrets` are parameters too; their values never show in messages. */
export type FenceTarget = {
  agent: string;
  parameters: Readonly<Record<string, string>>;
  secrets: Readonly<Record<string, string>>;
  /** Outlet, port or machine within the device; absent where the device has one only. */
  plug?: string;
};

/** `timeoutMs`: the agent and all it began are killed then. */
export type FenceOptions = { signal: AbortSignal; timeoutMs: number };

/**
 * Every method throws ReasonedError: FenceAgentMissing, FenceParametersInvalid (both stalled), FenceTimeout, FenceDeviceRefused (wrong
 * credentials, unknown plug), FenceDeviceUnreachable, FenceFailed.
 */
export type FenceDriver = {
  /** The agents that can be used here, by name and sorted. */
  agents(): Promise<string[]>;
  describe(agent: string): Promise<FenceAgentFacts>;
  off(target: FenceTarget, options: FenceOptions): Promise<void>;
  on(target: FenceTarget, options: FenceOptions): Promise<void>;
  status(target: FenceTarget, options: FenceOptions): Promise<PowerState>;
  /** Whether the device answers and takes the credentials: nothing is switched. */
  monitor(target: FenceTarget, options: FenceOptions): Promise<void>;
  /** The plugs of a device that has several, with their names; throws FenceParametersInvalid where the agent knows no plugs. */
  list(target: FenceTarget, options: FenceOptions): Promise<{ plug: string; name: string }[]>;
};
