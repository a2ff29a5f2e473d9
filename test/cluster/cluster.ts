/** The cluster of a kubeconfig as a person with kubectl sees it, and programs of Vireo that work on it from this machine. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { must, type Result, run, until, vireo } from '../e2e/harness/commands.ts';

export type Cluster = {
  readonly directory: string;
  kubectl(...args: string[]): Promise<string>;
  tryKubectl(...args: string[]): Promise<Result>;
  /** By another kubeconfig. */
  kubectlBy(kubeconfig: string, ...args: string[]): Promise<Result>;
  apply(yaml: string): Promise<string>;
  /** A command of Vireo, to its end. */
  vireo(...args: string[]): Promise<string>;
  /** A kubeconfig for an account of this cluster, by a token of an hour. */
  accountOf(name: string): Promise<string>;
  /** The certificate of the cluster's authority, as PEM. */
  authority(): Promise<string>;
  /** A program of Vireo that runs until the end of the stories; resolves when it says that it is ready. */
  start(...args: string[]): Promise<void>;
  /** `apiVersion/Kind` of everything the server has. */
  kinds(): Promise<ReadonlySet<string>>;
  end(): Promise<void>;
};

export async function openCluster(kubeconfig: string): Promise<Cluster> {
  const directory = await mkdtemp(join(tmpdir(), 'vireo-cluster-'));
  const env = { KUBECONFIG: kubeconfig, KUBECACHEDIR: join(directory, 'kubecache') };
  const children: ChildProcess[] = [];
  const kubectl = (...args: string[]) => must(['kubectl', ...args], { env, timeoutMs: 120_000 });

  return {
    directory,
    kubectl,
    tryKubectl: (...args) => run(['kubectl', ...args], { env }),
    kubectlBy: (by, ...args) => run(['kubectl', ...args], { env: { ...env, KUBECONFIG: by } }),
    apply: (yaml) => must(['kubectl', 'apply', '-f', '-'], { env, input: yaml }),
    vireo: (...args) => must([process.execPath, vireo, ...args], { env }),
    accountOf: async (name) => {
      const token = await kubectl('create', 'token', name, '-n', 'vireo-system', '--duration=1h');
      const config = JSON.parse(await kubectl('config', 'view', '--raw', '--minify', '-o', 'json'));
      const user = { name, user: { token: token.trim() } };
      const [{ context }] = config.contexts;
      const contexts = [{ name, context: { ...context, user: name } }];
      const file = join(directory, `${name}.kubeconfig`);
      const whole = { ...config, users: [user], contexts, 'current-context': name };
      await writeFile(file, JSON.stringify(whole), { mode: 0o600 });
      return file;
    },
    authority: async () => {
      const text = await kubectl('config', 'view', '--raw', '--minify', '--flatten', '-o', 'json');
      const [{ cluster }] = JSON.parse(text).clusters;
      return Buffer.from(cluster['certificate-authority-data'], 'base64').toString('utf8');
    },
    start: async (...args) => {
      const child = spawn(process.execPath, [vireo, ...args], {
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      children.push(child);
      let said = '';
      for (const stream of [child.stdout, child.stderr]) {
        stream.on('data', (part: Buffer) => {
          said += part.toString();
        });
      }
      const isReady = () => said.split('\n').some((line) => line.startsWith('ready'));
      await until(`vireo ${args[0]} is ready`, async () => isReady() || child.exitCode !== null);
      if (!isReady()) throw new Error(`vireo ${args.join(' ')} has ended:\n${said}`);
    },
    kinds: async () => {
      const text = await kubectl('api-resources', '--no-headers');
      const rows = text.split('\n').filter((line) => line !== '');
      // The short names are left out where a kind has none: counted from the right.
      return new Set(
        rows.map((row) => row.trim().split(/\s+/).slice(-3)).map(([group, , kind]) => `${group}/${kind}`),
      );
    },
    end: async () => {
      for (const child of children) {
        child.kill('SIGTERM');
        await until('it has ended', async () => child.exitCode !== null || child.signalCode !== null);
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}
