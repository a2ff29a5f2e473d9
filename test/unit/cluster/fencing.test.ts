import { describe, expect, it } from 'vitest';
import { Secret } from '../../../src/api/core.ts';
import { FenceDevice, type FenceDeviceSpec } from '../../../src/api/kinds/fenceDevice.ts';
import { testFencing } from '../../../src/cli/fence.ts';
import {
  createSimulatedFence,
  SIMULATED_AGENT,
  type SimulatedFenceFaults,
} from '../../../src/drivers/fence/simulated/driver.ts';
import { host } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

const MINUTE = 60_000;
const API = 'vireo.dev/v1alpha1';

/** Two hosts whose power is on plugs 1 and 2 of a strip, and a manager that leads. */
async function strip() {
  const on = new Map([
    ['1', true],
    ['2', true],
  ]);
  const asked: string[] = [];
  const switched: string[] = [];
  let faults: SimulatedFenceFaults = {};
  const power = {
    plugs: () => [...on.keys()],
    isOn: (plug: string) => {
      asked.push(plug);
      return on.get(plug) === true;
    },
    switch: (plug: string) => void switched.push(plug),
  };
  const lab = createClusterLab({
    fence: (clock) => createSimulatedFence({ world: { clock }, power, faults: () => faults }),
  });
  lab.addHosts(host('a'), host('b'));
  await lab.lead();
  const seed = async (spec: Partial<FenceDeviceSpec> = {}) => {
    const hosts = [
      { name: 'a', plug: '1' },
      { name: 'b', plug: '2' },
    ];
    lab.api.seed(FenceDevice, {
      ...{ apiVersion: API, kind: 'FenceDevice', metadata: { name: 'strip' } },
      spec: { agent: SIMULATED_AGENT, hosts, ...spec },
    });
    await lab.advance(2_000);
  };
  const status = () => lab.get(FenceDevice, 'strip')?.status;
  return {
    ...{ lab, on, asked, switched, seed, status },
    fail: (now: SimulatedFenceFaults) => {
      faults = now;
    },
    ready: () => status()?.conditions?.find(({ type }) => type === 'Ready'),
    edit: async (spec: Partial<FenceDeviceSpec>) => {
      await lab.api.mergePatch(FenceDevice, { name: 'strip' }, { spec });
      await lab.advance(2_000);
    },
    secret: (type: string, password: string) =>
      lab.api.seed(Secret, {
        ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'bmc', namespace: 'vireo-system' } },
        ...{ spec: undefined, type, data: { password: Buffer.from(password).toString('base64') } },
      }),
  };
}

describe('a FenceDevice', () => {
  it('says of each of its hosts how it is, and switches nothing', async () => {
    const { lab, on, seed, status, ready, switched } = await strip();
    on.set('2', false);
    await seed();
    expect(ready()?.status).toBe('True');
    expect(status()).toMatchObject({
      reach: 'Power',
      hosts: [
        { name: 'a', state: 'PoweredOn' },
        { name: 'b', state: 'PoweredOff' },
      ],
    });
    expect(switched).toEqual([]);
    await lab.resign();
  });

  it('is tested again after its interval, a minute after a failure, and not between', async () => {
    const { lab, seed, asked, fail, ready } = await strip();
    await seed();
    expect(asked).toEqual(['1', '2']);
    await lab.advance(9 * MINUTE);
    expect(asked).toHaveLength(2);
    fail({ unreachable: true });
    await lab.advance(MINUTE);
    expect(ready()).toMatchObject({ status: 'False', reason: 'FenceDeviceUnreachable' });
    fail({});
    await lab.advance(MINUTE + 5_000);
    expect(ready()?.status).toBe('True');
    expect(asked).toHaveLength(4);
    await lab.resign();
  });

  it('is not tested again because another leads', async () => {
    const { lab, seed, asked } = await strip();
    await seed();
    await lab.lead();
    await lab.advance(MINUTE);
    expect(asked).toHaveLength(2);
    await lab.resign();
  });

  it('names a host that does not exist, still serves the others, and notices when it joins', async () => {
    const { lab, seed, status, ready } = await strip();
    await seed({
      hosts: [
        { name: 'a', plug: '1' },
        { name: 'c', plug: '2' },
      ],
    });
    expect(ready()).toMatchObject({ reason: 'HostUnknown', message: expect.stringContaining('no Host c') });
    expect(status()?.hosts?.[0]).toEqual({ name: 'a', state: 'PoweredOn' });
    lab.addHosts(host('c'));
    await lab.advance(2_000);
    expect(ready()?.status).toBe('True');
    await lab.resign();
  });

  it('takes its secrets only from a Secret that is meant for it, and never shows them', async () => {
    const { lab, seed, ready, status, edit, secret } = await strip();
    await seed({ secretRef: { name: 'bmc' } });
    expect(ready()).toMatchObject({ reason: 'FenceSecretMissing' });
    secret('Opaque', 'wrong');
    await edit({ timeoutSeconds: 10 });
    expect(ready()).toMatchObject({ reason: 'FenceSecretWrong' });
    secret('vireo.dev/fence-device', 'wrong');
    await edit({ timeoutSeconds: 11 });
    expect(ready()).toMatchObject({ reason: 'FenceDeviceRefused' });
    secret('vireo.dev/fence-device', 'open-sesame');
    await edit({ timeoutSeconds: 12 });
    expect(ready()?.status).toBe('True');
    expect(JSON.stringify(status())).not.toContain('sesame');
    await lab.resign();
  });

  it.each([
    [{ agent: 'fence_nobody_has' }, 'FenceAgentMissing'],
    [{ agent: 'fence_dummy' }, 'FenceAgentUnfit'],
  ])('that cannot be used waits for a person: %j', async (spec, reason) => {
    const { lab, seed, status } = await strip();
    await seed(spec);
    expect(status()?.conditions?.find(({ type }) => type === 'Stalled')).toMatchObject({ reason });
    await lab.resign();
  });

  it('shows parameters its agent does not know, for every host', async () => {
    const { lab, seed, ready } = await strip();
    await seed({ parameters: { colour: 'red' } });
    expect(ready()).toMatchObject({
      reason: 'FenceParametersInvalid',
      message: expect.stringContaining('colour is no parameter'),
    });
    await lab.resign();
  });
});

describe('vireo fence test', () => {
  const ask = async ({ lab }: Awaited<ReturnType<typeof strip>>, name: string, request: string) => {
    const test = testFencing(lab.api, name, { clock: lab.clock, request, timeoutMs: 30_000 });
    const settled = test.catch((error: unknown) => error);
    await lab.advance(40_000);
    return settled;
  };

  it('has the devices of a host tested now, and says what each answers', async () => {
    const story = await strip();
    await story.seed();
    expect(await ask(story, 'b', 'first')).toEqual({
      text: 'DEVICE   PLUG   STATE       MESSAGE\nstrip    2      PoweredOn\n',
      passed: true,
    });
    story.fail({ unreachable: true });
    expect(await ask(story, 'b', 'second')).toMatchObject({
      passed: false,
      text: expect.stringContaining('FenceDeviceUnreachable'),
    });
    await story.lab.resign();
  });

  it('fails for a host without a device, and when nobody leads', async () => {
    const story = await strip();
    await story.seed();
    expect(await ask(story, 'z', 'first')).toMatchObject({ reason: 'NoFenceDevice' });
    await story.lab.resign();
    expect(await ask(story, 'a', 'second')).toMatchObject({ reason: 'NotTested' });
  });
});
