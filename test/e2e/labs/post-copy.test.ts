/**
 * A machine that changes its memory faster than it can be sent moves between real hosts all the same: it goes on on the target before its
 * memory is there, and waits for it there while the link between both is cut.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyDisk } from '../../contract/hypervisor/bootSector.ts';
import { instancesOf } from '../../lab/guests.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { type MigrationStatus, move } from '../../lab/migrations.ts';
import { remainsOf } from '../../lab/remains.ts';
import { report } from '../../lab/report.ts';
import { until } from '../harness/commands.ts';

const images = join(tmpdir(), 'vireo-lab-images');
const place = { name: 'vpost', network: 216, directory: join(tmpdir(), 'vireo-lab-postcopy'), images };
const disk = join(images, 'busy.raw');
/** A first pass over its memory takes some seconds, and no other comes to an end. */
const SLOW = '128Mi';

const machine = `
apiVersion: vireo.dev/v1alpha1
kind: StoragePool
metadata: {name: local}
spec: {type: Directory}
---
apiVersion: vireo.dev/v1alpha1
kind: Image
metadata: {name: busy}
spec: {kind: Disk, pool: local, source: {path: {path: ${disk}}}}
---
apiVersion: vireo.dev/v1alpha1
kind: VirtualMachine
metadata: {name: busy, namespace: default}
spec:
  memory: {size: 1Gi}
  display: None
  disks: [{name: root, pool: local, source: {image: {name: busy}}}]
  shutdown: {timeoutSeconds: 5}
  placement: {host: a}
`;

type Migration = { status?: { source?: { state?: string }; target?: { state?: string } } };
type Guest = { status?: { uuid?: string; placement?: { host: string; epoch: number } } };

describe('a machine whose memory changes faster than it is sent', () => {
  let lab: Lab;
  let uuid = '';

  const placement = async () => (await lab.get<Guest>('vm', 'busy')).status?.placement;
  const instances = () => instancesOf(lab, uuid);
  const begin = (name: string, to: string) =>
    move(lab, { name: 'vm/busy' }, name, { to, type: 'Live', bandwidth: SLOW, allowPostCopy: true });
  const only = () =>
    until('it has one process', async () => {
      const found = await instances();
      return found.length === 1 && found[0];
    });

  beforeAll(async () => {
    lab = openLab(place);
    await lab.down();
    await mkdir(images, { recursive: true });
    await writeFile(disk, busyDisk(1024 ** 2));
    await lab.up(['a', 'b']);
    await lab.apply(machine);
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'vm/busy');
    await lab.kubectl('patch', 'vm/busy', '--type=json', '-p', '[{"op":"remove","path":"/spec/placement"}]');
    uuid = (await lab.get<Guest>('vm', 'busy')).status?.uuid ?? '';
  });
  afterAll(() => lab?.down());

  it('goes on on the other host before its memory is there', async ({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm/busy', 'mig/there'])}\n`);
    });
    const there = await begin('there', 'b');
    const status: MigrationStatus | undefined = await there.ends();
    expect(status).toMatchObject({ phase: 'Succeeded', targetHost: 'b', mode: 'PostCopy' });
    expect(await placement()).toMatchObject({ host: 'b', epoch: 2 });
    expect(await only()).toMatchObject({ host: 'b' });
  });

  it('waits there for what has not come while the link is cut, and loses nothing', async ({
    onTestFailed,
  }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm/busy', 'mig/back'])}\n`);
    });
    const back = await begin('back', 'a');
    const said = async () => (await lab.get<Migration>('mig', 'back')).status ?? {};
    await until('it runs on a', async () => (await said()).target?.state === 'Arrived', 90_000, 20);
    await lab.cut('a', 'b');
    const waiting = (await instances()).find(({ host }) => host === 'a');
    const isLost = async () => (await said()).source?.state === 'Disconnected';
    await until('the source has given the connection up', isLost, 90_000);
    expect((await instances()).map(({ host }) => host).sort()).toEqual(['a', 'b']);
    await lab.mend();
    expect(await back.ends()).toMatchObject({ phase: 'Succeeded', targetHost: 'a', mode: 'PostCopy' });
    // The process that has waited is the guest: nothing was started anew.
    expect(await only()).toEqual(waiting);
    expect(await placement()).toMatchObject({ host: 'a', epoch: 3 });
  });

  it('leaves nothing when it is deleted', async () => {
    await lab.kubectl('delete', '--timeout=60s', 'vm', '--all');
    await lab.down();
    expect(await remainsOf(place)).toEqual([]);
  });
});
