/** A write the API server has acknowledged is there after it was killed with SIGKILL in the middle of a thousand of them. */
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConfigMap } from '../../src/api/core.ts';
import { connect } from '../../src/main/connect.ts';
import { realWorld } from '../../src/main/world/world.ts';
import { until } from './harness/commands.ts';
import { type Lab, startLab } from './harness/lab.ts';

const WRITES = 1_000;
const WRITERS = 32;
const KILLED_AFTER = 400;

describe('the embedded API server', () => {
  let lab: Lab;

  beforeAll(async () => {
    lab = await startLab({ name: 'durability', args: ['--simulate', '1'] });
  });
  afterAll(() => lab?.dispose());

  it('keeps every acknowledged write when it is killed in the middle of 1,000', async () => {
    const client = await connect(lab.kubeconfig, 'durability', realWorld({ logLevel: 'error' }));
    const server = await lab.child('apiserver');
    const names = Array.from({ length: WRITES }, (_, index) => `write-${index}`);
    const acknowledged: string[] = [];
    const write = async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        const metadata = { name, namespace: 'default' };
        const object = { apiVersion: 'v1', kind: 'ConfigMap', metadata, spec: undefined, data: { name } };
        await client.create(ConfigMap, object, { timeoutMs: 5_000 });
        acknowledged.push(name);
        if (acknowledged.length === KILLED_AFTER) process.kill(server, 'SIGKILL');
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: WRITERS }, write));
    await client.close();
    expect(ended.some(({ status }) => status === 'rejected')).toBe(true);
    expect(acknowledged.length).toBeGreaterThanOrEqual(KILLED_AFTER);
    expect(acknowledged.length).toBeLessThan(WRITES);

    const items = await until('the API server is back', async () => {
      type List = { items: { metadata: { name: string } }[] };
      return (await lab.get<List>('configmap', '-n', 'default')).items;
    });
    const present = new Set(items.map(({ metadata }) => metadata.name));
    expect(acknowledged.filter((name) => !present.has(name))).toEqual([]);
  });

  it('starts anew when what holds the lock of its store is killed: without it nothing could be written any more', async () => {
    const server = await lab.child('apiserver');
    const children = await readFile(`/proc/${server}/task/${server}/children`, 'utf8');
    for (const pid of children.trim().split(' ')) process.kill(Number(pid), 'SIGKILL');
    await until('another process serves', async () => (await lab.child('apiserver')) !== server);
    await until('it takes writes', () => lab.kubectl('create', 'configmap', 'after-the-lock'));
  });
});
