/** The machines of the manager's lab, as they are, whatever the API says of them: power, boots, and what runs on them. */

/** A machine as it is, whatever the API says of it. */
export type Machine = {
  name: string;
  boots: number;
  term: number;
  isOn: boolean;
  isCut: boolean;
  /** Its keeper stands still, and its guests run on. */
  isStuck: boolean;
  hears: string[];
  watchdog: boolean;
  pausable: boolean;
  running: Map<string, number>;
  acknowledgedAt: number;
  sequence: number;
  hasFencedItself: boolean;
  machineID: string;
};

export type Machines = ReturnType<typeof createMachines>;

export function createMachines(names: readonly string[]) {
  const machines = new Map<string, Machine>();
  for (const name of names)
    machines.set(name, {
      ...{ name, boots: 1, term: 1, isOn: true, isCut: false, isStuck: false, hears: [], watchdog: true },
      running: new Map(),
      ...{
        acknowledgedAt: 0,
        sequence: 0,
        hasFencedItself: false,
        pausable: false,
        machineID: `machine-${name}`,
      },
    });

  function machineOf(plug: string): Machine {
    const found = machines.get(plug.replace(/-second$/, ''));
    if (found === undefined) throw new Error(`no machine ${plug}`);
    return found;
  }

  function powerOff(name: string): void {
    const one = machineOf(name);
    one.isOn = false;
    one.running.clear();
  }

  function powerOn(name: string, now: number): void {
    const one = machineOf(name);
    if (one.isOn) return;
    Object.assign(one, {
      isOn: true,
      boots: one.boots + 1,
      term: one.term + 1,
      sequence: 0,
      hasFencedItself: false,
      isStuck: false,
    });
    one.acknowledgedAt = now;
  }

  return {
    ...{ machines, machineOf, powerOff, powerOn },
    bootOf: ({ name, boots }: Machine) => `${name}${boots}boot-0000`,
    /** Another machine is given the name of this one, and renews in its place: the first hears that, and ends what it guards. */
    intrude: (name: string, machineID: string, now: number) => {
      const known = machineOf(name);
      known.isCut = true;
      machines.set(`${name}/${machineID}`, {
        ...{ ...known, machineID, boots: known.boots + 8, term: known.term + 1, sequence: 0 },
        ...{ running: new Map(), isOn: true, isCut: false, acknowledgedAt: now },
      });
    },
  };
}
