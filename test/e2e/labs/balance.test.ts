/**
 * Two real hosts that are filled evenly by what their containers really use: what is to start begins on the emptier one, and of two that use all
 * they may one moves, once that has been measured, and stays.
 */
import process from 'node:process';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Availability, openAvailability, protectedBy } from '../../lab/availability.ts';
import { box } from '../../lab/containers.ts';
import { container } from '../../lab/guests.ts';
import type { Lab } from '../../lab/lab.ts';
import { report } from '../../lab/report.ts';
import { until } from '../harness/commands.ts';

/** Longer than `hold`. What has moved is measured anew after forty seconds: 110 here show that it stays also then. */
const QUIET_MS = 1_000 * Number(process.env.VIREO_BALANCE_SECONDS ?? 3);
/** A load is told after half a minute and the next look, and a minute later where another was told before. */
const MEASURED_MS = 110_000;
const POLICY = '{rebalancing: {automatic: true, by: Load, onStart: true, threshold: 0.5, hold: 1s}}';
const BUSY = ['busy-1', 'busy-2'];

type Rows = { status: { guests?: { name: string; load?: { cpu: number } }[] } };
type Moves = { items: { metadata: { name: string }; status?: { phase?: string; targetHost?: string } }[] };

describe('two hosts that are balanced by load', () => {
  let ha: Availability;
  let lab: Lab;

  beforeAll(async () => {
    ha = await openAvailability({ name: 'veven', network: 220, policy: POLICY, hosts: ['a', 'b'] });
    lab = ha.lab;
    await unschedulable('b', true);
    await lab.apply(
      [...BUSY, 'late']
        .map((name) => protectedBy('{}', container(name, { pool: 'shared', limit: '600m' })))
        .join(''),
    );
    for (const name of [...BUSY, 'late']) expect(await box(lab, name).settles()).toBe('a');
    await strategy('late', 'Halted');
    for (const name of BUSY) await box(lab, name).burns();
    await until('late is off', async () => (await box(lab, 'late').status()).ha?.state === 'Stopped');
    await unschedulable('b', false);
  });
  afterAll(() => ha?.close());
  beforeEach(({ onTestFailed }) => {
    onTestFailed(async () => {
      process.stderr.write(`${await report(lab, ['ct', 'mig', 'vpolicy', 'vhost'])}\n`);
    });
  });

  const patch = (what: string, spec: object) =>
    lab.kubectl('patch', ...what.split('/'), '--type=merge', '-p', JSON.stringify({ spec }));
  const unschedulable = (host: string, is: boolean) => patch(`vhost/${host}`, { unschedulable: is || null });
  const strategy = (name: string, runStrategy: string) => patch(`ct/${name}`, { runStrategy });
  const moves = async () =>
    (await lab.get<Moves>('mig')).items.map(
      ({ metadata, status }) => `${metadata.name} ${status?.phase} on ${status?.targetHost}`,
    );
  const loadsOn = async (host: string) => {
    const { status } = await lab.get<Rows>('vhost', host);
    return new Map((status.guests ?? []).map(({ name, load }) => [name, load?.cpu]));
  };

  it('have a container that was off on the full one begin on the other', async () => {
    await strategy('late', 'Always');
    await until('late runs on b', async () => (await box(lab, 'late').runsOn()).join() === 'b');
    await expect.poll(moves).toEqual(['ha-ct-late-1-start Succeeded on b']);
    expect(await box(lab, 'late').settles()).toBe('b');
    await strategy('late', 'Halted');
  });

  it('move one of two that use much, once that is measured, and then none', async () => {
    await until(
      'the loads of both are known',
      async () => {
        const loads = await loadsOn('a');
        return BUSY.every((name) => (loads.get(name) ?? 0) >= 0.25);
      },
      MEASURED_MS,
    );
    const where = async () => Promise.all(BUSY.map((name) => box(lab, name).settles()));
    await until('each host has one', async () => (await where()).sort().join() === 'a,b');
    const made = [
      expect.stringMatching(/^ha-ct-busy-[12]-1-even Succeeded on b$/),
      'ha-ct-late-1-start Succeeded on b',
    ];
    await expect.poll(moves).toEqual(made);
    const spread = await where();
    const begun = performance.now();
    await until('time passes', async () => performance.now() - begun > QUIET_MS, QUIET_MS + 10_000, 500);
    expect([await where(), await moves()]).toEqual([spread, made]);
  });
});
