/** Two hosts and a witness beside the API server: one host is lost, the other goes on with its guest. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Availability, openAvailability } from '../lab/availability.ts';
import type { Guest } from '../lab/guests.ts';
import { report } from '../lab/report.ts';
import { until } from './harness/commands.ts';

type Policy = { status?: { votes?: { voters: { name: string }[]; former?: object[] } } };

describe('two hosts and a witness', () => {
  let ha: Availability;
  let db: Guest;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'vhw', network: 224, policy: '{}', hosts: ['a', 'b'] });
    const { lab } = ha;
    await lab.addWitness('w');
    for (const host of ['a', 'b']) await ha.addIpmi(host);
    db = await ha.addMachine('db');
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(ha.lab, ['vm', 'vpolicy', 'vhost', 'fa', 'fence'])}\n`);
    });
  });

  it('all vote, the witness too, which has no guests and no pools', async () => {
    await until('three vote', async () => {
      const { votes } = (await ha.lab.get<Policy>('vpolicy', 'default')).status ?? {};
      const names = votes?.former === undefined ? votes?.voters.map(({ name }) => name) : undefined;
      return names?.toSorted().join() === 'a,b,w';
    });
    expect(await ha.haOf('w')).toMatchObject({ witness: true, pools: [], guests: [] });
  });

  it('have the machine run on the other host when one loses its power', async () => {
    const { lab } = ha;
    const host = (await db.host()) ?? '';
    const before = await db.writing();
    await lab.host(host).powerCut();
    const begun = performance.now();
    const tookMs = await until(
      'the machine runs elsewhere',
      async () => (await db.instances()).some((one) => one.host !== host) && performance.now() - begun,
    );
    process.stdout.write(
      `two hosts and a witness: machine elsewhere ${Math.round(tookMs)} ms after the cut\n`,
    );
    expect(tookMs).toBeLessThan(15_000);
    expect((await ha.haOf(host))?.ha?.proof).toMatchObject({ kind: 'PowerOff' });
    await db.writesOn(before);
    expect(await db.instances()).toHaveLength(1);
  });
});
