import { expect, it } from 'vitest';
import { Host } from '../../../src/api/kinds/host.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';
import { host, machine } from './builders.ts';
import { createClusterLab } from './clusterLab.ts';

it('a Host says what is promised on it: a moment later, and of a burst the sum of all a little later still', async () => {
  const lab = createClusterLab();
  lab.addHosts(host('h1'));
  await lab.lead();
  await lab.advance(3_000);
  const promised = async () => (await lab.api.get(Host, { name: 'h1' })).status?.allocated?.memory;
  const writes = () =>
    lab.api.writes().filter(({ kind, body }) => kind === Host && JSON.stringify(body).includes('"allocated"'))
      .length;
  const before = writes();
  lab.api.seed(VirtualMachine, machine('first'));
  await lab.advance(10);
  // What was placed is being started now.
  expect(writes() - before).toBe(0);
  await lab.advance(300);
  expect([await promised(), writes() - before]).toEqual(['1Gi', 1]);
  for (const name of ['second', 'third', 'fourth']) {
    lab.api.seed(VirtualMachine, machine(name));
    await lab.advance(100);
  }
  expect([await promised(), writes() - before]).toEqual(['1Gi', 1]);
  await lab.advance(5_000);
  expect([await promised(), writes() - before]).toEqual(['4Gi', 2]);
  await lab.api.delete(VirtualMachine, { name: 'first', namespace: 'default' });
  await lab.advance(300);
  expect([await promised(), writes() - before]).toEqual(['3Gi', 3]);
});
