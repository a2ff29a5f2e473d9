/** `vireo up` and its children: what cannot start ends it, what has run before is tried again, and a signal ends it at any time. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { layoutOf } from '../../../src/main/layout.ts';
import type { Lifetime } from '../../../src/main/lifetime.ts';
import { runApiserver } from '../../../src/main/roles/apiserver.ts';
import { runUp } from '../../../src/main/roles/up.ts';
import { CANNOT_START, supervise } from '../../../src/main/supervisor.ts';
import { realWorld } from '../../../src/main/world/world.ts';

describe('a supervised child', () => {
  const world = realWorld({ logLevel: 'error' });
  let directory: string;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vireo-supervisor-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  async function script(text: string): Promise<string> {
    const path = join(directory, 'child.mjs');
    await writeFile(path, text);
    return path;
  }

  it('that cannot start is not tried again', async () => {
    const child = supervise({ name: 'api', args: [] }, await script(`process.exit(${CANNOT_START})`), world);
    await expect(child.ready).rejects.toThrow('api cannot start');
    await child.stop(1_000);
  });

  it('that has run before is tried again although it cannot start for a moment', async () => {
    const marks = join(directory, 'marks');
    const text = `
      import { appendFileSync, readFileSync } from 'node:fs';
      appendFileSync(${JSON.stringify(marks)}, 'x');
      const runs = readFileSync(${JSON.stringify(marks)}, 'utf8').length;
      if (runs === 1) { console.log('ready'); process.exitCode = 1; }
      else if (runs === 2) process.exit(${CANNOT_START});
      else setInterval(() => {}, 1_000);`;
    const child = supervise({ name: 'api', args: [] }, await script(text), world);
    await child.ready;
    await expect.poll(() => world.files.readText(marks), { timeout: 10_000 }).toBe('xxx');
    await child.stop(1_000);
  });

  it('that never gets ready does not keep vireo up from ending', async () => {
    const controller = new AbortController();
    const lifetime: Lifetime = {
      signal: controller.signal,
      end: (reason) => controller.abort(new Error(reason)),
    };
    const running = runUp(
      {
        layout: layoutOf(directory),
        listen: '127.0.0.1:0',
        simulate: 1,
        script: await script('setInterval(() => {}, 1_000)'),
      },
      lifetime,
      world,
    );
    lifetime.end('SIGTERM');
    await expect(running).resolves.toBeUndefined();
  });

  it('says which address is taken, and that no retry mends it', async () => {
    const { createServer } = await import('node:net');
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const address = other.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const lifetime: Lifetime = { signal: new AbortController().signal, end: () => {} };
    const options = {
      dataDirectory: directory,
      listen: { host: '127.0.0.1', port },
      kubeconfig: join(directory, 'kubeconfig'),
    };
    try {
      await expect(runApiserver(options, lifetime, world)).rejects.toMatchObject({
        reason: 'AddressRefused',
        stalled: true,
        message: `127.0.0.1:${port} is in use by another process: stop that one, or choose another with --listen`,
      });
    } finally {
      other.close();
    }
  });
});
