/** How the manager asks fence devices and has them switch; the room of the drivers stays out of sight. */
export type ProbeTarget = {
  agent: string;
  parameters: Readonly<Record<string, string>>;
  /** Parameters too; their values never show in messages. */
  secrets: Readonly<Record<string, string>>;
  plug?: string;
};

type ProbeOptions = { signal: AbortSignal; timeoutMs: number };

/** All throw ReasonedError with what to do. */
export type FenceProbe = {
  /** What the agent's devices cut; refuses agents that cut nothing. */
  reach(agent: string): Promise<'Power' | 'Fabric'>;
  state(target: ProbeTarget, options: ProbeOptions): Promise<'On' | 'Off'>;
};

/** Told by FenceActions alone. That it succeeded proves nothing: the state is asked for afterwards. */
export type FenceSwitch = {
  off(target: ProbeTarget, options: ProbeOptions): Promise<void>;
  on(target: ProbeTarget, options: ProbeOptions): Promise<void>;
};
