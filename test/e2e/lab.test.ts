/** The lab itself: what its stories of faults rest on. A cable that is cut one way carries the other, and a power cut leaves nothing behind. */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { layoutOf } from '../../src/main/layout.ts';
import { powerOf } from '../lab/devices/power.ts';
import { controlGroups } from '../lab/groups.ts';
import { type Host, type Lab, openLab } from '../lab/lab.ts';
import { createService } from '../lab/service.ts';
import { must, run, until } from './harness/commands.ts';
import { type HostState, hostState } from './harness/host.ts';

const PORT = 4000;

describe('the lab', () => {
  let before: HostState;
  let lab: Lab;

  beforeAll(async () => {
    lab = openLab({ name: 'vself', directory: join(tmpdir(), 'vireo-lab-self'), network: 213 });
    await lab.down();
    before = await hostState();
    await lab.up([]);
    for (const name of ['a', 'b']) await lab.host(name).powerOn();
  });
  afterAll(() => lab?.down());

  const addressOf = (host: Host) => host.address.split('/')[0] ?? '';

  /** Both know each other's hardware address for good: asking for it would need both ways. */
  async function introduce(host: Host, other: Host): Promise<void> {
    const mac = await other.run('cat', '/sys/class/net/vmbr0/address');
    await host.run('ip', 'neigh', 'replace', addressOf(other), 'lladdr', mac.trim(), 'dev', 'vmbr0');
  }

  /** What arrives on the host by UDP, in its log. */
  async function listener(host: Host) {
    const script = `require('dgram').createSocket('udp4').on('message',(m)=>console.log('got '+m)).bind(${PORT},()=>console.log('ready'))`;
    const service = createService({
      machine: host,
      command: [process.execPath, '-e', script],
      logFile: join(lab.directory, `listener-${host.name}.log`),
      readyLine: 'ready',
    });
    await service.start();
    return service;
  }

  const send = (from: Host, to: Host, word: string) =>
    from.run(
      process.execPath,
      '-e',
      `const s=require('dgram').createSocket('udp4');s.send('${word}',${PORT},'${addressOf(to)}',()=>s.close())`,
    );

  it('loses what goes one way and carries what comes back, until it is mended', async () => {
    const [a, b] = [lab.host('a'), lab.host('b')];
    await introduce(a, b);
    await introduce(b, a);
    const [atA, atB] = [await listener(a), await listener(b)];
    await lab.cut('a', 'b', 'OneWay');
    await send(a, b, 'lost');
    await send(b, a, 'carried');
    await until('the word of b is at a', async () => (await atA.log()).includes('got carried'));
    await lab.mend();
    await send(a, b, 'mended');
    await until('the next word of a is at b', async () => (await atB.log()).includes('got mended'));
    expect(await atB.log()).not.toContain('lost');
    await Promise.all([atA.kill(), atB.kill()]);
  });

  it('boots a machine with another boot id and the same machine id', async () => {
    const host = lab.host('a');
    const identity = async () => [await host.bootId(), await host.run('cat', '/etc/machine-id')];
    const [boot, machine] = await identity();
    await host.powerCut();
    await host.powerOn();
    const [bootAfter, machineAfter] = await identity();
    expect(bootAfter).not.toBe(boot);
    expect(machineAfter).toBe(machine);
  });

  it.each<[string, (host: Host) => Promise<void>]>([
    ['a power cut', (host) => host.powerCut()],
    ['the device that feeds it', async (host) => void (await must(['sh', '-c', powerOf(host).off]))],
  ])('ends everything by %s, frozen processes too', async (_by, cut) => {
    const host = lab.host('b');
    await host.powerOn();
    const { cgroupRoot } = layoutOf(host.disk);
    const group = `/sys/fs/cgroup/freezer/${cgroupRoot}/cold`;
    const freeze = `mkdir -p ${group} && echo $$ >${group}/cgroup.procs && echo FROZEN >${group}/freezer.state`;
    const hasFreezer = await host
      .run('sh', '-c', 'ls /sys/fs/cgroup')
      .then((list) => list.includes('freezer'));
    const service = createService({
      machine: host,
      command: ['sh', '-c', hasFreezer ? `${freeze}; sleep 1000` : 'sleep 1000'],
      logFile: join(lab.directory, 'cold.log'),
    });
    await service.start();
    await until('it runs', async () => (await service.pid()) !== undefined);
    await cut(host);
    expect(await host.isOn()).toBe(false);
    expect(await service.pid()).toBeUndefined();
    expect((await run(['sh', '-c', powerOf(host).isOn])).code).not.toBe(0);
    await host.powerCut();
    expect(await controlGroups(cgroupRoot)).toEqual([]);
  });

  it('leaves this machine as it was', async () => {
    await lab.down();
    expect(await hostState()).toEqual(before);
  });
});
