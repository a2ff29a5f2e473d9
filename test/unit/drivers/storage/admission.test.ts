/** Programs of a pool are admitted one by one: what is asked says how each is begun, or that it is not. */
import { describe, expect, it } from 'vitest';
import type { Admission } from '../../../../src/base/processes.ts';
import { createTools } from '../../../../src/drivers/storage/directory/tools.ts';
import { realWorld } from '../../../../src/main/world/world.ts';

const world = realWorld();
const { signal } = new AbortController();

function admitting(prefix: readonly string[]) {
  let running = 0;
  let admitted = 0;
  const admission: Admission = async () => {
    running += 1;
    admitted += 1;
    return {
      prefix,
      ended: () => {
        running -= 1;
      },
    };
  };
  return { tools: createTools(world, 'local', admission), running: () => running, admitted: () => admitted };
}

describe('a program of a pool', () => {
  it('begins as it is told to, and is heard to end', async () => {
    const { tools, running, admitted } = admitting(['env', 'WHO=guest']);
    const { stdout } = await tools.run(['sh', '-c', 'echo $WHO']);
    expect(stdout).toBe('guest\n');
    const heard: string[] = [];
    await tools.pipe(['sh', '-c', 'echo $WHO'], { signal }, async ({ output }) => {
      for await (const chunk of output) heard.push(String(chunk));
    });
    expect(heard.join('')).toBe('guest\n');
    expect([running(), admitted()]).toEqual([0, 2]);
  });

  it('that fails is heard to end as well', async () => {
    const { tools, running } = admitting([]);
    await expect(tools.run(['false'])).rejects.toMatchObject({ reason: 'StorageFailed' });
    await expect(tools.run(['no-such-program'])).rejects.toMatchObject({ reason: 'ToolMissing' });
    expect(running()).toBe(0);
  });

  it('that is not admitted is not started', async () => {
    const refusal = new Error('not now');
    const tools = createTools(world, 'local', () => Promise.reject(refusal));
    await expect(tools.run(['true'])).rejects.toBe(refusal);
    await expect(tools.pipe(['true'], { signal }, async () => {})).rejects.toBe(refusal);
  });
});
