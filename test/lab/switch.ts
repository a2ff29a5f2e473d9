/** The switch all machines of a lab are plugged into: a bridge in a network namespace, where the way from one port to another can be cut. */
import { must, run } from '../e2e/harness/commands.ts';

/** One way or both ways between two ports. */
export type Direction = 'Both' | 'OneWay';

export type Switch = {
  create(): Promise<void>;
  exists(): Promise<boolean>;
  /** Plugs the interface `inside` of a network namespace into a new port of this name. */
  plug(port: string, namespace: string, inside: string): Promise<void>;
  /** Pulls the cable; the interface at its other end goes too. */
  unplug(port: string): Promise<void>;
  /** Frames from one port no longer reach the other, guests' included. */
  cut(from: string, to: string, direction: Direction): Promise<void>;
  /** Undoes every cut. */
  mend(): Promise<void>;
  remove(): Promise<void>;
};

/** nft(8), family bridge: what the switch forwards passes this chain. */
const CUTS = 'table bridge cuts { chain forward { type filter hook forward priority 0; }; }';

export function createSwitch(namespace: string): Switch {
  const ip = (...args: string[]) => must(['ip', '-n', namespace, ...args]);
  const nft = (...args: string[]) => must(['ip', 'netns', 'exec', namespace, 'nft', ...args]);
  const drop = (from: string, to: string) =>
    nft('add', 'rule', 'bridge', 'cuts', 'forward', 'iifname', from, 'oifname', to, 'drop');

  return {
    create: async () => {
      await must(['ip', 'netns', 'add', namespace]);
      await ip('link', 'add', 'br0', 'type', 'bridge');
      await ip('link', 'set', 'br0', 'up');
      await nft(CUTS);
    },
    exists: async () => (await run(['ip', '-n', namespace, 'link'])).code === 0,
    plug: async (port, machine, inside) => {
      await ip('link', 'add', 'name', port, 'type', 'veth', 'peer', 'name', inside, 'netns', machine);
      await ip('link', 'set', 'dev', port, 'master', 'br0', 'up');
    },
    unplug: async (port) => {
      await run(['ip', '-n', namespace, 'link', 'delete', 'dev', port]);
    },
    cut: async (from, to, direction) => {
      await drop(from, to);
      if (direction === 'Both') await drop(to, from);
    },
    mend: async () => {
      await nft('flush', 'chain', 'bridge', 'cuts', 'forward');
    },
    remove: async () => {
      await run(['ip', 'netns', 'delete', namespace]);
    },
  };
}
