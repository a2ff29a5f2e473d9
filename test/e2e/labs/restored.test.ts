/** The API server is restored from a copy of before a guest moved, on real hosts: it runs where it is, once, whatever the copy says. */
import { rename } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/log.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import {
  foundations,
  type Guest,
  instancesOf,
  machineGuest,
  WRITER_IMAGE,
  writer,
} from '../../lab/guests.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { move, settles } from '../../lab/migrations.ts';
import { report } from '../../lab/report.ts';
import { type Traces, traces } from '../../lab/traces.ts';
import { buildWriterDisk } from '../../lab/writer.ts';
import { must, until, vireo } from '../harness/commands.ts';

const HOSTS = ['a', 'b'];
const images = join(tmpdir(), 'vireo-lab-images');
const place = { name: 'vback', directory: join(tmpdir(), 'vireo-lab-back'), network: 218, images };

describe('a machine that has moved since the copy was taken', () => {
  let lab: Lab;
  let web: Guest;
  let empty: Map<string, Traces>;
  const copy = join(place.directory, 'copy');
  const data = () => join(lab.control.disk, 'apiserver');

  beforeAll(async () => {
    await buildWriterDisk({ ...realWorld(), log: silentLog }, join(images, WRITER_IMAGE));
    lab = openLab(place);
    await lab.down();
    await lab.up(HOSTS);
    await lab.apply(foundations(images));
    await lab.kubectl('wait', '--for=condition=Ready', '--timeout=120s', 'img', '--all');
    empty = new Map(
      await Promise.all(HOSTS.map(async (name) => [name, await traces(lab.host(name))] as const)),
    );
    await lab.apply(writer('web'));
    web = machineGuest(lab, 'web');
  });
  afterAll(() => lab?.down());

  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['vm', 'mig', 'vhost'])}\n`);
    });
  });

  const apiserver = (...args: string[]) => must([process.execPath, vireo, 'apiserver', ...args]);

  it('runs on where it went, once, and is claimed there: the agents have begun anew and the copy says it never left', async () => {
    const { host: from } = await settles(web);
    const to = from === 'a' ? 'b' : 'a';
    const { uuid = '' } = await web.status();
    await apiserver('backup', copy, '--data-dir', data());
    const moved = await move(lab, web, 'away', { to, type: 'Live' });
    expect(await moved.ends()).toMatchObject({ phase: 'Succeeded' });
    await settles(web);
    const wrote = await web.writing();

    await lab.apiserver.kill();
    for (const name of HOSTS) await lab.host(name).agent.kill();
    await rename(data(), `${data()}.lost`);
    await apiserver('restore', copy, '--data-dir', data());
    await lab.apiserver.start();
    await lab.host(from).agent.start();
    // The host it left comes back first, and nobody tells it otherwise.
    const alone = Date.now();
    await until(`${from} has had the time to start it`, async () => {
      expect((await instancesOf(lab, uuid)).map(({ host }) => host)).toEqual([to]);
      return Date.now() - alone > 15_000;
    });
    await lab.host(to).agent.start();

    const claimed = await until('it is claimed where it runs', async () => {
      expect((await instancesOf(lab, uuid)).map(({ host }) => host)).toEqual([to]);
      const { placement } = await web.status();
      return placement?.host === to && placement;
    });
    expect(claimed.epoch).toBeGreaterThan(2);
    await settles(web);
    expect((await web.writesOn(wrote)).boot).toBe(wrote.boot);
    await expect
      .poll(() => traces(lab.host(from)), { timeout: 60_000, interval: 250 })
      .toEqual(empty.get(from));
  });
});
