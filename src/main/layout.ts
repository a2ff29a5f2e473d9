/** Where everything of one data directory lies. Names of sockets, bridges and control groups derive from it, so two never meet. */
import { createHash } from 'node:crypto';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';

export type Layout = {
  dataDirectory: string;
  /** Store, keys and certificates of the embedded API server. */
  apiserver: string;
  /** The agent's state: records, pools, images, leases of the NAT network. */
  agent: string;
  /** Sockets; short, because a socket's path may have 100 bytes. */
  runDirectory: string;
  /** 8 hex characters that tell this agent's things from another's on the same machine. */
  scope: string;
  /** Control group root, below each hierarchy's mount. */
  cgroupRoot: string;
  /** Control group of the keeper, below each hierarchy's mount. */
  keeperGroup: string;
  kubeconfig: string;
};

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Default of --data-dir. */
export function defaultDataDirectory(): string {
  return isRoot() ? '/var/lib/vireo' : join(homedir(), '.local/share/vireo');
}

/** Eight hex characters of a state directory. */
export function scopeOf(stateDirectory: string): string {
  return createHash('sha256').update(resolve(stateDirectory)).digest('hex').slice(0, 8);
}

/** Control group of the keeper of an agent. */
export function keeperGroupOf(scope: string): string {
  return `vireo-keeper-${scope}`;
}

/** Default of --run-dir for an agent's state directory. */
export function defaultRunDirectory(stateDirectory: string): string {
  const base = isRoot()
    ? '/run/vireo'
    : join(process.env.XDG_RUNTIME_DIR ?? `/tmp/vireo-${process.getuid?.() ?? 0}`, 'vireo');
  return join(base, scopeOf(stateDirectory));
}

export function layoutOf(dataDirectory: string, kubeconfig?: string): Layout {
  const data = resolve(dataDirectory);
  const agent = join(data, 'agent');
  const scope = scopeOf(agent);
  return {
    dataDirectory: data,
    apiserver: join(data, 'apiserver'),
    agent,
    runDirectory: defaultRunDirectory(agent),
    scope,
    cgroupRoot: `vireo/${scope}`,
    keeperGroup: keeperGroupOf(scope),
    kubeconfig: kubeconfig === undefined ? join(data, 'kubeconfig') : resolve(kubeconfig),
  };
}
