/** Guests outlive everything that drives them, on real QEMU and LXC: agent, control plane, their own status; and come back as declared. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { must, run, until } from './harness/commands.ts';
import { cgroupPids, isLive, killGroup } from './harness/host.ts';
import { type Lab, startLab } from './harness/lab.ts';

const GUESTS = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busybox}
spec: {kind: ContainerRootfs, pool: local, source: {build: {recipe: BusyboxRootfs}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: vm, namespace: default}
spec:
  runStrategy: Always
  memory: {size: 64Mi}
  disks: [{name: root, pool: local, size: 16Mi}]
  networks: [{name: eth0, nat: {}}]
---
apiVersion: vireo.dev/v1alpha1
kind: Container
metadata: {name: ct, namespace: default}
spec:
  runStrategy: Always
  image: busybox
  rootfs: {pool: local}
  networks: [{name: eth0, nat: {}}]
`;

/** Control group of all of Vireo's own processes in this story. */
const GROUP = 'vireo-endurance-test';

type Guest = {
  metadata: { uid: string };
  status: { phase: string; uuid: string; placement?: { epoch: number } };
};

describe('running guests', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ name: 'endurance', group: GROUP });
    await lab.apply(GUESTS);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm/vm', 'ct/ct');
  });
  afterAll(() => lab?.dispose());

  /** The processes of both guests that must not change: QEMU, and the container's init. */
  async function processes(): Promise<Record<'vm' | 'ct', number>> {
    return until('both guests have a process', async () => {
      const vm = await main('vm');
      const ct = await main('ct');
      return vm !== undefined && ct !== undefined && { vm, ct };
    });
  }

  async function main(name: 'vm' | 'ct'): Promise<number | undefined> {
    const { uuid } = (await lab.get<Guest>(name, name)).status;
    for (const id of await guestIds()) {
      const record = JSON.parse(
        await readFile(`${lab.dataDirectory}/agent/guests/${id}/record.json`, 'utf8'),
      ) as { uuid: string };
      if (record.uuid !== uuid) continue;
      for (const pid of await cgroupPids(id)) {
        const command = (await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).replaceAll(
          '\0',
          ' ',
        );
        if (name === 'vm' ? command.includes('qemu-system') : /init/.test(command) && !/lxc/.test(command))
          return pid;
      }
    }
    return undefined;
  }

  async function guestIds(): Promise<string[]> {
    return (await must(['ls', `${lab.dataDirectory}/agent/guests`])).trim().split('\n');
  }

  const ready = () => lab.kubectl('wait', '--for=condition=Ready', '--timeout=60s', 'vm/vm', 'ct/ct');

  it('run on, same processes, when the agent is killed and comes back', async () => {
    const before = await processes();
    const agent = await lab.child('agent');
    process.kill(agent, 'SIGKILL');
    await until('another agent runs', async () => (await lab.child('agent')) !== agent);
    await ready();
    expect(await processes()).toEqual(before);
  });

  it('run on when all of Vireo is stopped and started again', async () => {
    const before = await processes();
    expect(await lab.stop()).toBe(0);
    expect(await isLive(before.vm)).toBe(true);
    expect(await isLive(before.ct)).toBe(true);
    await lab.restart();
    await ready();
    expect(await processes()).toEqual(before);
  });

  it('are adopted where they run when all their status is lost', async () => {
    const before = await processes();
    for (const [kind, plural] of [
      ['vm', 'virtualmachines'],
      ['ct', 'containers'],
    ]) {
      const path = `/apis/vireo.dev/v1alpha1/namespaces/default/${plural}/${kind}/status`;
      await lab
        .kubectl(
          'patch',
          kind ?? '',
          kind ?? '',
          '--subresource=status',
          '--type=json',
          '-p',
          '[{"op":"remove","path":"/status"}]',
        )
        .catch((error: Error) => {
          throw new Error(`${path}: ${error.message}`);
        });
    }
    await ready();
    expect(await processes()).toEqual(before);
    expect((await lab.get<Guest>('vm', 'vm')).status.placement?.epoch).toBe(2);
  });

  it('are started again when their process is killed', async () => {
    const before = await processes();
    process.kill(before.vm, 'SIGKILL');
    process.kill(before.ct, 'SIGKILL');
    const after = await until('both run again', async () => {
      const now = await processes();
      return now.vm !== before.vm && now.ct !== before.ct && now;
    });
    await ready();
    expect(await isLive(after.vm)).toBe(true);
    expect(await isLive(after.ct)).toBe(true);
  });

  it('run on when the control group of all of Vireo is killed', async () => {
    const before = await processes();
    await killGroup(GROUP);
    expect(await isLive(lab.pid)).toBe(false);
    expect([await isLive(before.vm), await isLive(before.ct)]).toEqual([true, true]);
    await lab.restart();
    await ready();
    expect(await processes()).toEqual(before);
  });

  it('stay off after their own power-off when the strategy is RerunOnFailure, and come back after a crash', async () => {
    await lab.kubectl('patch', 'ct', 'ct', '--type=merge', '-p', '{"spec":{"runStrategy":"RerunOnFailure"}}');
    const crashed = await processes();
    process.kill(crashed.ct, 'SIGKILL');
    await until('it runs again', async () => (await processes()).ct !== crashed.ct);
    await ready();
    const { ct } = await processes();
    // It dies with its container, so its exit code says nothing.
    await run(['nsenter', '-t', String(ct), '-a', '/bin/busybox', 'poweroff']);
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Stopped', '--timeout=30s', 'ct/ct');
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'ct/ct');
    expect(await isLive(ct)).toBe(false);
  });

  it('stop and start by Operation objects when the strategy is Manual', async () => {
    await lab.kubectl('patch', 'ct', 'ct', '--type=merge', '-p', '{"spec":{"runStrategy":"Manual"}}');
    await lab.apply(operation('stop', 'Shutdown'));
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s', 'operation/stop');
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Stopped', '--timeout=30s', 'ct/ct');
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'ct/ct');
    await lab.apply(operation('start', 'Start'));
    await lab.kubectl('wait', '--for=jsonpath={.status.phase}=Running', '--timeout=60s', 'ct/ct');
  });

  it('refuse a second vireo on the same directory, which says who has it', async () => {
    const second = await startLab({ name: 'second', args: ['--data-dir', lab.dataDirectory] }).catch(
      (error: Error) => error,
    );
    expect(second).toBeInstanceOf(Error);
    expect(String(second)).toMatch(/in use/);
  });

  const operation = (name: string, action: string) => `
apiVersion: vireo.dev/v1alpha1
kind: Operation
metadata: {name: ${name}, namespace: default}
spec: {guest: {kind: Container, name: ct}, action: ${action}}
`;
});
