import { describe, expect, it } from 'vitest';
import { Container } from '../../../src/api/kinds/container.ts';
import { createLab, type Lab } from './lab.ts';

const poolFiles = (lab: Lab) => [...lab.disk].filter(([, text]) => text.includes('-rootfs'));

/** A host with an image of a container; whoever claims a guest on it waits for an answer until `let.go`. */
async function labWhoseClaimsHang() {
  const lab = createLab();
  lab.createPool('local');
  lab.createImage('root', { kind: 'ContainerRootfs', source: { build: { recipe: 'BusyboxRootfs' } } });
  const agent = await lab.start();
  await lab.until('the image can be used', () => lab.describe() !== '' && lab.host() !== undefined);
  await lab.clock.advance(10_000);
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  let claims = 0;
  lab.api.intercept = async ({ verb, kind, subresource }) => {
    if (verb !== 'patch' || kind.kind !== 'Container' || subresource !== undefined) return;
    claims += 1;
    await answered;
  };
  return { lab, agent, claims: () => claims, answer };
}

describe('the volumes of a new guest', () => {
  it('are made while its object is claimed, and shown only when the host and the cluster know of it', async () => {
    const { lab, agent, claims, answer } = await labWhoseClaimsHang();
    lab.createContainer('web');
    await lab.until('it is being claimed', () => claims() === 1);
    await lab.clock.advance(5_000);
    expect(agent.crasher.effects().filter((name) => name === 'pool.create')).toHaveLength(1);
    expect(lab.record(lab.idOf('Container', 'web'))).toBeUndefined();
    expect(poolFiles(lab)).toEqual([]);

    answer();
    await lab.until('web is Ready', () => lab.conditionOf(lab.container('web'), 'Ready')?.status === 'True');
    expect(agent.crasher.effects().filter((name) => name === 'pool.create')).toHaveLength(1);
    expect(poolFiles(lab)).not.toEqual([]);
    await agent.stop();
  });

  it('leave nothing, and keep no ids of users, when the object is deleted while it is claimed', async () => {
    const { lab, agent, claims, answer } = await labWhoseClaimsHang();
    lab.createContainer('gone');
    await lab.until('it is being claimed', () => claims() === 1);
    await lab.clock.advance(1_000);
    await lab.remove(Container, 'gone');
    answer();
    await lab.clock.advance(5_000);
    expect(lab.container('gone')).toBeUndefined();
    expect(poolFiles(lab)).toEqual([]);

    lab.createContainer('next');
    await lab.until(
      'next is Ready',
      () => lab.conditionOf(lab.container('next'), 'Ready')?.status === 'True',
    );
    const block = Number(lab.disk.get('/state/id-block'));
    expect(lab.record(lab.idOf('Container', 'next'))).toMatchObject({ idBase: block });
    await agent.stop();
  });

  it('do not keep an agent from its end while they wait to be shown', async () => {
    const { lab, agent, claims } = await labWhoseClaimsHang();
    lab.createContainer('web');
    await lab.until('it is being claimed', () => claims() === 1);
    await lab.clock.advance(1_000);
    await agent.stop();
    expect(poolFiles(lab)).toEqual([]);
  });
});

describe('a new guest', () => {
  const listed = (lab: Lab) => (lab.host()?.status?.guests ?? []).map(({ name }) => name);

  it("is in the Host's inventory while its object is still being claimed", async () => {
    const { lab, agent, claims, answer } = await labWhoseClaimsHang();
    lab.createContainer('web');
    await lab.until('it is being claimed', () => claims() === 1);
    await lab.until('it is listed', () => listed(lab).includes('web'));
    expect(lab.record(lab.idOf('Container', 'web'))).toBeUndefined();
    answer();
    await lab.until('web is Ready', () => lab.conditionOf(lab.container('web'), 'Ready')?.status === 'True');
    expect(listed(lab)).toEqual(['web']);
    await agent.stop();
  });

  it('leaves the inventory when its object is deleted before it is claimed', async () => {
    const { lab, agent, claims, answer } = await labWhoseClaimsHang();
    lab.createContainer('gone');
    await lab.until('it is being claimed', () => claims() === 1);
    await lab.until('it is listed', () => listed(lab).includes('gone'));
    await lab.remove(Container, 'gone');
    answer();
    await lab.until('it is listed no more', () => listed(lab).length === 0);
    await agent.stop();
  });
});
