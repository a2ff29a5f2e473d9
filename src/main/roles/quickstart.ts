/** `npm start`: `vireo up` as a child, the samples applied and followed, what to try next; Ctrl-C ends it, guests run on. */

import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { createInterface } from 'node:readline';
import type { World } from '../../base/world.ts';
import { applySamples, deleteSamples, followSamples, readSamples } from '../../cli/samples.ts';
import { printServerTable, type ServerTable } from '../../cli/table.ts';
import type { Client } from '../../client/contract.ts';
import { connect } from '../connect.ts';
import { type Layout, layoutOf } from '../layout.ts';
import { aborted, type Lifetime } from '../lifetime.ts';

export type QuickstartOptions = {
  samples: string;
  dataDir: string;
  listen: { host: string; port: number };
  simulate: number;
  once?: boolean;
  script: string;
};

const READY_MS = 600_000;

export async function runQuickstart(
  options: QuickstartOptions,
  lifetime: Lifetime,
  world: World,
): Promise<number> {
  const layout = layoutOf(options.dataDir);
  const tell = (line: string) => void process.stdout.write(`${line}\n`);
  await world.files.makeDirectory(layout.dataDirectory, { mode: 0o711 });
  const logFile = join(layout.dataDirectory, 'vireo.log');
  const up = await startUp(options, logFile);
  let client: Client | undefined;
  try {
    tell(`starting the control plane and the agent (log: ${logFile})`);
    tell(await Promise.race([up.ready, aborted(lifetime.signal).then(() => 'stopped')]));
    if (lifetime.signal.aborted) return 0;
    client = await connect(layout.kubeconfig, 'vireo-quickstart', world);
    const samples = await readSamples(world.files, options.samples);
    await applySamples(client, samples);
    await followSamples(client, samples, {
      clock: world.clock,
      signal: lifetime.signal,
      timeoutMs: READY_MS,
      tell,
    });
    await printGuests(client, tell);
    if (options.once === true) {
      tell('removing the samples (--once)');
      await deleteSamples(client, samples, world.clock, 120_000);
      tell(`the host's NAT network and its state are kept for the next start. ${removal(layout)}`);
      return 0;
    }
    whatNext(layout, options, tell);
    await Promise.race([aborted(lifetime.signal), up.ended]);
    if (!lifetime.signal.aborted) throw new Error(`vireo up ended by itself: see ${logFile}`);
    tell(options.simulate > 0 ? 'stopping' : 'stopping; the guests run on, npm start finds them again');
    return 0;
  } catch (error) {
    if (lifetime.signal.aborted) return 0;
    throw error;
  } finally {
    await client?.close();
    await up.stop();
  }
}

async function startUp(options: QuickstartOptions, logFile: string) {
  const log = await open(logFile, 'a');
  const args = [
    'up',
    '--data-dir',
    options.dataDir,
    '--listen',
    `${options.listen.host}:${options.listen.port}`,
  ];
  if (options.simulate > 0) args.push('--simulate', String(options.simulate));
  // Its own process group: Ctrl-C in the terminal reaches only this process, which ends it in order.
  // Should this process be lost (a closed terminal, SIGKILL), the end of the pipe ends the child in order.
  const child = spawn(process.execPath, [options.script, ...args, '--supervised'], {
    stdio: ['pipe', 'pipe', log.fd],
    detached: true,
  });
  await log.close();
  const ended = new Promise<void>((resolve) => child.on('exit', () => resolve()));
  const ready = new Promise<string>((resolve, reject) => {
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('ready')) resolve(line);
      });
    }
    child.on('exit', () => reject(new Error(`vireo up could not start; the end of ${logFile} says why`)));
  });
  ready.catch(() => {});
  return {
    ready,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function printGuests(client: Client, tell: (line: string) => void): Promise<void> {
  for (const [plural, path] of [
    ['hosts', '/apis/vireo.dev/v1alpha1/hosts'],
    ['virtualmachines', '/apis/vireo.dev/v1alpha1/namespaces/default/virtualmachines'],
    ['containers', '/apis/vireo.dev/v1alpha1/namespaces/default/containers'],
  ]) {
    const { body } = await client.raw(path ?? '', { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' });
    tell(`\n$ kubectl get ${plural}`);
    tell(printServerTable(JSON.parse(body) as ServerTable).trimEnd());
  }
}

function whatNext(layout: Layout, { simulate }: QuickstartOptions, tell: (line: string) => void): void {
  tell(`
Both guests are Ready. In another terminal:
  export KUBECONFIG=${layout.kubeconfig}
  kubectl get vireo -A                          # everything there is
  kubectl describe vm demo                      # conditions and events${
    simulate > 0
      ? ''
      : `
  npm run --silent vireo -- console vm/demo --data-dir ${layout.dataDirectory}
  npm run --silent vireo -- console ct/web --data-dir ${layout.dataDirectory}`
  }
  kubectl edit vm demo                          # more memory: see status.pendingChanges
  kubectl delete -f manifests/samples           # remove the guests
Ctrl-C stops the control plane; guests run on. ${removal(layout)}`);
}

function removal({ dataDirectory }: Layout): string {
  return `To remove everything:
  npm run --silent vireo -- down --data-dir ${dataDirectory}`;
}
