/** What every fence driver promises, told once and run for each kind of device. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReasonedError } from '../../../src/base/outcome.ts';
import type { FenceDriver, FenceTarget } from '../../../src/drivers/fence/contract.ts';

/** One device with a machine, an outlet or a port behind it, which is on at first. */
export type FenceLab = {
  driver: FenceDriver;
  target: FenceTarget;
  /** The same device, asked with credentials that it does not take. */
  stranger: FenceTarget;
  /** A device of this kind that nobody answers for. */
  absent: FenceTarget;
  /** How things really stand, seen past the device. */
  isOn(): Promise<boolean>;
  remove(): Promise<void>;
};

const PATIENCE = { timeoutMs: 20_000, signal: new AbortController().signal };

async function refusal(work: Promise<unknown>): Promise<ReasonedError> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof ReasonedError)) throw new Error(`expected a ReasonedError, got ${String(error)}`);
  return error;
}

/** Runs the suite for the devices that `makeLab` makes. */
export function fenceSuite(name: string, makeLab: () => Promise<FenceLab>): void {
  describe(`a fence device: ${name}`, () => {
    let lab: FenceLab;
    beforeEach(async () => {
      lab = await makeLab();
    });
    afterEach(() => lab.remove());

    it('says On of what is on, and lets itself be looked at without switching anything', async () => {
      expect(await lab.driver.status(lab.target, PATIENCE)).toBe('On');
      await lab.driver.monitor(lab.target, PATIENCE);
      expect(await lab.isOn()).toBe(true);
    });

    it('switches off for real, says Off, and switches on again', async () => {
      await lab.driver.off(lab.target, PATIENCE);
      expect(await lab.isOn()).toBe(false);
      expect(await lab.driver.status(lab.target, PATIENCE)).toBe('Off');
      await lab.driver.on(lab.target, PATIENCE);
      expect(await lab.isOn()).toBe(true);
      expect(await lab.driver.status(lab.target, PATIENCE)).toBe('On');
    });

    it('does nothing more when it is told twice', async () => {
      await lab.driver.off(lab.target, PATIENCE);
      await lab.driver.off(lab.target, PATIENCE);
      expect(await lab.driver.status(lab.target, PATIENCE)).toBe('Off');
    });

    it('refuses a stranger, switches nothing, and shows no secret', async () => {
      const { reason, message } = await refusal(lab.driver.off(lab.stranger, PATIENCE));
      expect(['FenceDeviceRefused', 'FenceDeviceUnreachable', 'FenceTimeout']).toContain(reason);
      for (const secret of Object.values(lab.stranger.secrets)) expect(message).not.toContain(secret);
      expect(await lab.isOn()).toBe(true);
    });

    it('is said to be out of reach when nobody answers', async () => {
      const { reason } = await refusal(lab.driver.status(lab.absent, { ...PATIENCE, timeoutMs: 4_000 }));
      expect(['FenceDeviceUnreachable', 'FenceTimeout']).toContain(reason);
    });

    it('is given up when its time is over, and the error says that it may have acted', async () => {
      const { reason, stalled } = await refusal(lab.driver.status(lab.target, { ...PATIENCE, timeoutMs: 1 }));
      expect({ reason, stalled }).toEqual({ reason: 'FenceTimeout', stalled: false });
    });

    it('is given up when nobody wants the answer any more', async () => {
      const caller = new AbortController();
      const asked = lab.driver.status(lab.target, { ...PATIENCE, signal: caller.signal });
      caller.abort(new Error('never mind'));
      await expect(asked).rejects.toThrow('never mind');
    });

    it('takes no parameter that its agent does not know, none that reaches into the host, and names all that is wrong', async () => {
      const parameters = { ...lab.target.parameters, colour: 'red', sudo_path: '/tmp/mine', action: 'on' };
      const { reason, message, stalled } = await refusal(
        lab.driver.off({ ...lab.target, parameters }, PATIENCE),
      );
      expect({ reason, stalled }).toEqual({ reason: 'FenceParametersInvalid', stalled: true });
      for (const name of ['colour', 'sudo_path', 'action']) expect(message).toContain(name);
      expect(await lab.isOn()).toBe(true);
    });

    it('is described by its agent, which is among those that can be used', async () => {
      expect(await lab.driver.agents()).toContain(lab.target.agent);
      const facts = await lab.driver.describe(lab.target.agent);
      expect(facts.name).toBe(lab.target.agent);
      expect(facts.actions).toEqual(expect.arrayContaining(['on', 'off', 'status', 'monitor']));
    });

    it('says how to get an agent that is not here', async () => {
      for (const agent of ['fence_nobody', '../bin/sh', 'fence_']) {
        expect(await refusal(lab.driver.off({ ...lab.target, agent }, PATIENCE))).toMatchObject({
          reason: 'FenceAgentMissing',
          stalled: true,
        });
      }
    });
  });
}
