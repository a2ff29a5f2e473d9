import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadCredentials } from '../../../src/apiserver/pki/credentials.ts';
import { realWorld } from '../../../src/main/world/world.ts';
import { createFakeClock } from '../../world/fakeClock.ts';

const dayMs = 86_400_000;
let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'pki-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

function load(nowMs: number, hosts: readonly string[] = []) {
  const world = { files: realWorld().files, clock: createFakeClock(nowMs) };
  return loadCredentials({ directory, world, hosts });
}

const start = Date.UTC(2026, 0, 1);

describe('the keys of the server', () => {
  it('are made once and stay the same', async () => {
    const first = await load(start);
    const second = await load(start + dayMs);
    expect(second.authority).toEqual(first.authority);
    expect(second.server).toEqual(first.server);
    expect(second.admin).toEqual(first.admin);
    expect((await stat(join(directory, 'ca.key'))).mode & 0o777).toBe(0o600);
  });

  it('name the hosts the server answers for, and are renewed for a new one', async () => {
    const first = await load(start);
    const second = await load(start, ['10.1.2.3', 'lab.example']);
    const certificate = new X509Certificate(second.server.certificate);
    expect(certificate.checkIP('10.1.2.3')).toBe('10.1.2.3');
    expect(certificate.checkHost('lab.example')).toBe('lab.example');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(certificate.verify(new X509Certificate(first.authority.certificate).publicKey)).toBe(true);
    expect(second.admin).toEqual(first.admin);
  });

  it('are renewed before they expire, the authority staying', async () => {
    const first = await load(start);
    const later = await load(start + 330 * dayMs);
    expect(later.authority).toEqual(first.authority);
    expect(later.server.certificate).not.toBe(first.server.certificate);
    expect(Date.parse(new X509Certificate(later.admin.certificate).validTo)).toBeGreaterThan(
      start + 690 * dayMs,
    );
  });

  it('survive a crash between key and certificate', async () => {
    const first = await load(start);
    await writeFile(join(directory, 'server.key'), first.admin.key);
    const second = await load(start);
    expect(
      new X509Certificate(second.server.certificate).checkIssued(
        new X509Certificate(second.authority.certificate),
      ),
    ).toBe(true);
  });

  it('are not made anew behind the back of kubeconfigs when the authority is damaged', async () => {
    await load(start);
    await writeFile(join(directory, 'ca.key'), 'garbage');
    await expect(load(start)).rejects.toThrow(/restore both files, or remove both/);
  });
});

describe('a kubeconfig', () => {
  it('holds all it needs, for its owner only', async () => {
    const credentials = await load(start);
    const path = join(directory, 'kubeconfig');
    await credentials.writeKubeconfig(path, 'https://127.0.0.1:6443');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const text = await readFile(path, 'utf8');
    expect(text).toContain('server: "https://127.0.0.1:6443"');
    expect(text).toContain(Buffer.from(credentials.admin.key).toString('base64'));
  });

  it('can be made for others', async () => {
    const credentials = await load(start);
    const pair = await credentials.issueClient({ commonName: 'bob', organizations: ['dev', 'ops'], days: 1 });
    const { subject } = new X509Certificate(pair.certificate);
    expect(subject).toBe('O=dev\nO=ops\nCN=bob');
  });
});
