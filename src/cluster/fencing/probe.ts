/** How the manager asks fence devices; the room of the drivers stays out of sight. Nothing here can switch anything. */
export type ProbeTarget = {
  agent: string;
  parameters: Readonly<Record<string, string>>;
  /** Parameters too; their values never show in messages. */
  secrets: Readonly<Record<string, string>>;
  plug?: string;
};

/** Both throw ReasonedError with what to do. */
export type FenceProbe = {
  /** What the agent's devices cut; refuses agents that cut nothing. */
  reach(agent: string): Promise<'Power' | 'Fabric'>;
  state(target: ProbeTarget, options: { signal: AbortSignal; timeoutMs: number }): Promise<'On' | 'Off'>;
};
