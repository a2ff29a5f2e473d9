/** What every network driver promises, told once and run for each. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReasonedError } from '../../../src/base/outcome.ts';
import type { NetworkDriver, NicWish } from '../../../src/drivers/network/contract.ts';

/** One host with a bridge `bridge` that guests may use, one `forbidden` that they may not, and an allowed one that does not exist. */
export type NetworkLab = {
  /** May be called again, as a restarted agent does. */
  open(): NetworkDriver;
  bridge: string;
  forbidden: string;
  missing: string;
  remove(): Promise<void>;
};

const anna = { id: 'annaannaanna2', hostname: 'anna', namespace: 'default' };
const bert = { id: 'bertbertbert2', hostname: 'bert', namespace: 'default' };

function nic(to: NicWish['to'], changes: Partial<NicWish> = {}): NicWish {
  return { name: 'net0', mac: '02:00:00:00:00:01', to, ...changes };
}

async function reasonOf(work: Promise<unknown>): Promise<{ reason: string; message: string }> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ReasonedError)) throw new Error(`expected a ReasonedError, got ${String(error)}`);
  return { reason: error.reason, message: error.message };
}

/** Runs the suite for the drivers that `makeLab` makes. */
export function networkSuite(name: string, makeLab: () => Promise<NetworkLab>): void {
  describe(`a ${name} network`, () => {
    let lab: NetworkLab;
    let network: NetworkDriver;

    beforeEach(async () => {
      lab = await makeLab();
      network = lab.open();
    });
    afterEach(() => lab.remove());

    it('plugs a machine into a bridge, and again without a second plug', async () => {
      const wish = nic({ type: 'Bridge', bridge: lab.bridge });
      const first = await network.attach(anna, wish, 'Tap');
      expect(first).toMatchObject({ type: 'Tap', bridge: lab.bridge });
      expect(await network.attach(anna, wish, 'Tap')).toEqual(first);
      expect(await network.holders()).toEqual([anna.id]);
    });

    it('gives each interface a name that Linux can hold', async () => {
      const wishes = ['net0', 'net1'].map((called) => nic({ type: 'Nat' }, { name: called }));
      const names: string[] = [];
      for (const guest of [anna, bert]) {
        for (const wish of wishes) {
          const made = await network.attach(guest, wish, 'Veth');
          if (made.type === 'Veth') names.push(made.ifname);
        }
      }
      expect(new Set(names).size).toBe(4);
      expect(names.every((called) => called.length <= 15)).toBe(true);
    });

    it('needs nothing for a user network', async () => {
      expect(await network.attach(anna, nic({ type: 'User' }), 'Tap')).toEqual({ type: 'User' });
      await network.detach(anna.id, 'net0');
    });

    it('names a bridge that is missing and refuses one that is not allowed', async () => {
      const missing = await reasonOf(
        network.attach(anna, nic({ type: 'Bridge', bridge: lab.missing }), 'Tap'),
      );
      expect(missing.reason).toBe('BridgeMissing');
      expect(missing.message).toContain(lab.missing);
      const forbidden = await reasonOf(
        network.attach(anna, nic({ type: 'Bridge', bridge: lab.forbidden }), 'Tap'),
      );
      expect(forbidden.reason).toBe('NotAllowed');
      expect(await network.holders()).toEqual([]);
    });

    it('lists the bridges guests may use', async () => {
      expect((await network.facts()).bridges).toEqual([lab.bridge]);
    });

    it('refuses names that could smuggle lines into a file', async () => {
      const evil = { ...anna, hostname: 'a\n10.0.0.1 bank.example' };
      expect((await reasonOf(network.attach(evil, nic({ type: 'Nat' }), 'Veth'))).reason).toBe('NameInvalid');
      const mac = nic({ type: 'Nat' }, { mac: '02:00:00:00:00:01,ignore' });
      expect((await reasonOf(network.attach(anna, mac, 'Veth'))).reason).toBe('NameInvalid');
      expect(await network.holders()).toEqual([]);
    });

    it('knows its guests again after a restart of the agent', async () => {
      const made = await network.attach(anna, nic({ type: 'Nat' }), 'Veth');
      const reopened = lab.open();
      expect(await reopened.holders()).toEqual([anna.id]);
      expect(await reopened.attach(anna, nic({ type: 'Nat' }), 'Veth')).toEqual(made);
    });

    it('forgets a guest that was detached, and again without complaint', async () => {
      await network.attach(anna, nic({ type: 'Nat' }), 'Tap');
      await network.attach(bert, nic({ type: 'Nat' }, { mac: '02:00:00:00:00:02' }), 'Tap');
      await network.detach(anna.id, 'net0');
      await network.detach(anna.id, 'net0');
      expect(await network.holders()).toEqual([bert.id]);
    });

    it('shows that its NAT network is in use and takes all away in the end', async () => {
      await network.attach(anna, nic({ type: 'Nat' }), 'Tap');
      expect((await network.facts()).nat).toMatchObject({ active: true });
      await network.repair();
      await network.teardown();
      await network.teardown();
      expect(await network.holders()).toEqual([]);
      expect((await network.facts()).nat).toMatchObject({ active: false });
      await network.repair();
      expect((await network.facts()).nat).toMatchObject({ active: false });
    });

    it('answers for every MAC it is asked for', async () => {
      const [known] = await network.addresses(['02:00:00:00:00:99']);
      expect(known).toEqual({ mac: '02:00:00:00:00:99', addresses: [] });
    });
  });
}
