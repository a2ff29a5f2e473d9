/** What every driver that moves running guests promises, told once: two hosts, and a guest that runs on one of them at most. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type {
  GuestHandle,
  GuestTransfer,
  HypervisorDriver,
  SendOptions,
} from '../../../src/drivers/hypervisor/contract.ts';

export type MovingDriver<Request, Hardware> = HypervisorDriver<Request, Hardware> & {
  readonly transfer: GuestTransfer<Request, Hardware>;
};

/** Two hosts; `again` makes a host's driver anew, as a restarted agent does. */
export type TransferLab<Request, Hardware> = {
  guest: GuestHandle;
  request: Request;
  /** The request as it is on the target. */
  moved: Request;
  disks: readonly string[];
  again(host: 'source' | 'target'): Promise<MovingDriver<Request, Hardware>>;
  /** Lets time pass until `holds`; throws when it never does. */
  until(holds: () => Promise<boolean>): Promise<void>;
  end(): Promise<void>;
};

const open = async () => {};
const closed = () => Promise.reject(new Error('the gate is closed'));
const options: SendOptions = {
  id: 'move-1',
  downtimeMs: 300,
  autoConverge: false,
  channels: 1,
  compression: 'None',
  postCopy: false,
};

/** Runs the suite in the labs that `makeLab` makes. */
export function transferSuite<Request, Hardware>(
  name: string,
  makeLab: () => Promise<TransferLab<Request, Hardware>>,
): void {
  describe(`moving running guests by ${name}`, () => {
    let lab: TransferLab<Request, Hardware>;
    let source: MovingDriver<Request, Hardware>;
    let target: MovingDriver<Request, Hardware>;

    const states = async () => {
      const seen = await Promise.all([source, target].map((host) => host.observe(lab.guest)));
      const found = seen.map(({ state }) => state);
      expect(found.filter((state) => state === 'Running').length).toBeLessThan(2);
      return found;
    };
    const restart = async () => {
      for (const host of [source, target]) await host.close();
      [source, target] = [await lab.again('source'), await lab.again('target')];
    };
    const receive = async () => {
      const { hardware } = await source.transfer.running(lab.guest);
      const { guest, moved, disks } = lab;
      return target.transfer.receive(guest, moved, hardware, { id: options.id, address: '127.0.0.1', disks });
    };
    const send = async () => source.transfer.send(lab.guest, await receive(), options);
    const phase = async () => (await source.transfer.progress(lab.guest)).phase;
    const reach = (...wanted: string[]) => lab.until(async () => wanted.includes(await phase()));

    beforeEach(async () => {
      lab = await makeLab();
      [source, target] = [await lab.again('source'), await lab.again('target')];
      const facts = await source.facts();
      await source.start(lab.guest, lab.request, source.resolve(lab.request, undefined, facts), open);
    });
    afterEach(async () => {
      for (const host of [source, target]) {
        await host.kill(lab.guest);
        await host.close();
      }
      await lab.end();
    });

    it('brings a guest to the other host, with both agents restarted at every step', async () => {
      const place = await receive();
      await restart();
      expect(await receive()).toEqual(place);
      expect(await states()).toEqual(['Running', 'Incoming']);
      await source.transfer.send(lab.guest, place, options);
      await restart();
      await source.transfer.send(lab.guest, place, options);
      await reach('Completed');
      await restart();
      expect(await states()).toEqual(['HandedOver', 'Incoming']);
      expect(await source.transfer.progress(lab.guest)).toMatchObject({
        phase: 'Completed',
        remainingBytes: 0,
      });
      await target.transfer.arrive(lab.guest, open);
      await target.transfer.arrive(lab.guest, open);
      await restart();
      expect(await states()).toEqual(['HandedOver', 'Running']);
      await source.kill(lab.guest);
      expect(await states()).toEqual(['Off', 'Running']);
    });

    it('runs nothing while a gate is closed', async () => {
      await send();
      await reach('Completed');
      await expect(target.transfer.arrive(lab.guest, closed)).rejects.toThrow('the gate is closed');
      expect(await states()).toEqual(['HandedOver', 'Incoming']);
      await target.kill(lab.guest);
      await expect(source.transfer.takeBack(lab.guest, closed)).rejects.toThrow('the gate is closed');
      expect(await states()).toEqual(['HandedOver', 'Off']);
      await source.transfer.takeBack(lab.guest, open);
      expect(await states()).toEqual(['Running', 'Off']);
      expect(await phase()).toBe('Idle');
    });

    it('runs nothing on the target before all memory is there', async () => {
      await send();
      await expect(target.transfer.arrive(lab.guest, open)).rejects.toMatchObject({ reason: 'NotArrived' });
      expect((await states())[0]).toBe('Running');
    });

    it.each([['Disks'], ['Memory', 'SwitchingOver']])(
      'is called off in phase %s and tried again',
      async (...wanted) => {
        await send();
        await reach(...wanted, 'Completed');
        // A short phase may be over before it is seen; the refusal then is right as well.
        const refusal = await source.transfer.cancel(lab.guest).then(
          () => undefined,
          (error: unknown) => error,
        );
        if (refusal !== undefined) return expect(refusal).toMatchObject({ reason: 'HandedOver' });
        await target.kill(lab.guest);
        expect(await states()).toEqual(['Running', 'Off']);
        expect(await phase()).toBe('Idle');
        await send();
        await reach('Completed');
      },
    );

    it('is not called off once the memory has gone', async () => {
      await send();
      await reach('Completed');
      await expect(source.transfer.cancel(lab.guest)).rejects.toMatchObject({ reason: 'HandedOver' });
    });

    it('lets the guest run on where it was when the target dies on the way', async () => {
      await send();
      await target.kill(lab.guest);
      await reach('Failed');
      expect(await states()).toEqual(['Running', 'Off']);
      await source.transfer.cancel(lab.guest);
      expect(await phase()).toBe('Idle');
    });

    it('sends nothing that does not run', async () => {
      await source.kill(lab.guest);
      await expect(source.transfer.running(lab.guest)).rejects.toMatchObject({ reason: 'NotRunning' });
    });
  });
}
