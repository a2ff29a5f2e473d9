/** A write the API server has acknowledged is there after it was killed with SIGKILL in the middle of a thousand of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigMap } from '../../src/api/core.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { type Lab, startLab } from './harness/lab.ts';

describe('the embedded API server', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ name: 'durability', args: ['--simulate', '1'] });
  });
  afterAll(() => lab?.dispose());

  it('keeps every acknowledged write when it is killed in the middle of 1,000', async () => {
    const world = realWorld({ logLevel: 'error' });
    const client = await connect(lab.kubeconfig, 'durability', world);
    const acknowledged: string[] = [];
    const server = await lab.child('apiserver');
    const writers = Array.from({ length: 1_000 }, async (_, index) => {
      const name = `write-${index}`;
      const object = {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: { name, namespace: 'default' },
        spec: undefined,
        data: { index: String(index) },
      };
      await client.create(ConfigMap, object, { timeoutMs: 5_000 });
      acknowledged.push(name);
      if (acknowledged.length === 400) process.kill(server, 'SIGKILL');
    });
    const ended = await Promise.allSettled(writers);
    expect(ended.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(0);
    expect(acknowledged.length).toBeGreaterThanOrEqual(400);
    await client.close();

    const { items } = await lab
      .get<{ items: { metadata: { name: string } }[] }>('configmap', '-n', 'default')
      .catch(async () => {
        await lab.kubectl('wait', '--for=condition=Ready', '--timeout=30s', 'vhost', '--all');
        return lab.get<{ items: { metadata: { name: string } }[] }>('configmap', '-n', 'default');
      });
    const present = new Set(items.map(({ metadata }) => metadata.name));
    expect(acknowledged.filter((name) => !present.has(name))).toEqual([]);
  });
});
