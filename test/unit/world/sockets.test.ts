import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { realClock } from '../../../src/main/world/clock.ts';
import { realSockets } from '../../../src/main/world/sockets.ts';

const sockets = realSockets(realClock());
let folder = '';

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vireo-sockets-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('unix sockets', () => {
  it('carry bytes both ways', async () => {
    const path = join(folder, 'q');
    const server = createServer((peer) => peer.end('QMP'));
    await new Promise<void>((resolve) => server.listen(path, resolve));
    const socket = await sockets.connectUnix(path);
    const heard: Buffer[] = [];
    for await (const chunk of socket) heard.push(chunk);
    expect(Buffer.concat(heard).toString()).toBe('QMP');
    socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  it('are refused by name when nobody listens', async () => {
    await expect(sockets.connectUnix(join(folder, 'q'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  it('are refused before Node.js could cut the path to that of another guest', async () => {
    const path = `/run/${'x'.repeat(96)}`;
    await expect(sockets.connectUnix(path)).rejects.toMatchObject({ code: 'ENAMETOOLONG' });
  });
});
