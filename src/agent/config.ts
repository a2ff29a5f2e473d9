/**
 * What the API may reach on this host: the allow-list `agent.yaml`, written by whoever owns the machine. Without the file guests get the NAT
 * network and the pool directories of the agent's own state directory, and nothing else.
 */
import { CORE_SCHEMA, load } from 'js-yaml';
import { ReasonedError } from '../base/outcome.ts';
import { parseBytes, parseCpus } from '../base/quantity.ts';
import type { WatchdogChoice } from '../keeper/watchdog.ts';

export type AgentConfig = {
  /** Existing bridges guests may be plugged into. */
  readonly bridges: readonly string[];
  /** Directories at or below which StoragePools may lie, beside the state directory's own. */
  readonly poolPaths: readonly string[];
  /** Directories or files Images may be read from. */
  readonly imagePaths: readonly string[];
  readonly allowPrivilegedContainers: boolean;
  /** Preferred subnet of the NAT network, a /24 in CIDR. */
  readonly natSubnet: string;
  /** Kept for the host itself: never offered to guests. */
  readonly reserved: { readonly cpus: number; readonly memoryBytes: number };
  /** TCP port for other agents; 0: any that is free. */
  readonly peerPort: number;
  /** TCP ports on which running machines are received: two for each that arrives with disks of its own. */
  readonly migrationPorts: { readonly first: number; readonly count: number };
  /** Guests of this host that are backed up at the same time. */
  readonly parallelBackups: number;
  /** File with the key of age(1) for encrypted backups; absolute. */
  readonly backupKey?: string;
  /** The device that resets the host when the keeper of its guests with ha is stuck; a keeper that runs keeps what it has. */
  readonly watchdog: WatchdogChoice;
  /** Without an armed watchdog the host is reset by the kernel (sysrq b) when its guests with ha are not dead in time. */
  readonly resetWithoutWatchdog: boolean;
};

/** What holds without an `agent.yaml`. */
export const defaultAgentConfig: AgentConfig = {
  bridges: [],
  poolPaths: [],
  imagePaths: [],
  allowPrivilegedContainers: false,
  natSubnet: '10.193.7.0/24',
  reserved: { cpus: 0, memoryBytes: 256 * 1024 * 1024 },
  peerPort: 0,
  migrationPorts: { first: 60_000, count: 1_000 },
  parallelBackups: 2,
  watchdog: 'Auto',
  resetWithoutWatchdog: false,
};

/** Reads the text of an `agent.yaml`; `source` names it in errors. Throws ReasonedError ConfigInvalid with the field's path. */
export function parseAgentConfig(text: string, source: string): AgentConfig {
  if (text.trim() === '') return defaultAgentConfig;
  const reader = readerOf(source);
  const root = reader.mapping(parse(text, source), '', KEYS);
  const reserved = reader.mapping(root.reserved ?? {}, 'reserved', ['cpu', 'memory']);
  const fallback = defaultAgentConfig;
  return {
    bridges: reader.list(
      root.bridges,
      'bridges',
      /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/,
      'a bridge such as br0',
    ),
    poolPaths: reader.list(root.poolPaths, 'poolPaths', ABSOLUTE, 'an absolute path'),
    imagePaths: reader.list(root.imagePaths, 'imagePaths', ABSOLUTE, 'an absolute path'),
    allowPrivilegedContainers: reader.flag(root.allowPrivilegedContainers, 'allowPrivilegedContainers'),
    natSubnet: reader.text(
      root.natSubnet,
      'natSubnet',
      SUBNET,
      'a /24 such as 10.193.7.0/24',
      fallback.natSubnet,
    ),
    reserved: {
      cpus: reader.quantity(reserved.cpu, 'reserved.cpu', parseCpus, fallback.reserved.cpus),
      memoryBytes: reader.quantity(
        reserved.memory,
        'reserved.memory',
        parseBytes,
        fallback.reserved.memoryBytes,
      ),
    },
    peerPort: reader.parsed(root.peerPort, 'peerPort', readPort, 'a port from 1 to 65535', fallback.peerPort),
    migrationPorts: reader.parsed(
      root.migrationPorts,
      'migrationPorts',
      readPorts,
      'a range of ports such as 60000-60999',
      fallback.migrationPorts,
    ),
    parallelBackups: reader.parsed(
      root.parallelBackups,
      'parallelBackups',
      readCount,
      'a number from 1 to 64',
      fallback.parallelBackups,
    ),
    watchdog: reader.parsed(
      root.watchdog,
      'watchdog',
      readWatchdog,
      'Auto, None or a device such as watchdog0',
      fallback.watchdog,
    ),
    resetWithoutWatchdog: reader.flag(root.resetWithoutWatchdog, 'resetWithoutWatchdog'),
    ...(root.backupKey === undefined
      ? {}
      : { backupKey: reader.text(root.backupKey, 'backupKey', ABSOLUTE, 'an absolute path', '') }),
  };
}

const KEYS = [
  ...['bridges', 'poolPaths', 'imagePaths', 'allowPrivilegedContainers', 'natSubnet', 'reserved'],
  ...['peerPort', 'migrationPorts', 'parallelBackups', 'backupKey', 'watchdog', 'resetWithoutWatchdog'],
];
const ABSOLUTE = /^\/(?!.*(^|\/)\.\.(\/|$))/;
const SUBNET = /^(\d{1,3}\.){3}0\/24$/;

const LAST_PORT = 65_535;

function readPort(text: string): number {
  const port = /^[1-9]\d{0,4}$/.test(text) ? Number(text) : Number.NaN;
  if (!(port <= LAST_PORT)) throw new Error('no port');
  return port;
}

function readCount(text: string): number {
  const count = /^[1-9]\d?$/.test(text) ? Number(text) : Number.NaN;
  if (!(count <= 64)) throw new Error('no count');
  return count;
}

function readWatchdog(text: string): WatchdogChoice {
  if (text === 'Auto' || text === 'None') return text;
  if (!/^watchdog\d{1,3}$/.test(text)) throw new Error('no watchdog');
  return `watchdog${Number(text.slice('watchdog'.length))}`;
}

/** From the first to the last port, both included. */
function readPorts(text: string): AgentConfig['migrationPorts'] {
  const [first = Number.NaN, last = Number.NaN, ...rest] = text.split('-').map(readPort);
  if (!(first <= last) || rest.length > 0) throw new Error('no range');
  return { first, count: last - first + 1 };
}

function parse(text: string, source: string): unknown {
  try {
    return load(text, { schema: CORE_SCHEMA });
  } catch (error) {
    throw invalid(source, error instanceof Error ? error.message : String(error));
  }
}

function invalid(source: string, message: string): ReasonedError {
  return new ReasonedError('ConfigInvalid', `${source}: ${message}`, { stalled: true });
}

/** Readers of values that know where they stand in the file. */
function readerOf(source: string) {
  const refuse = (path: string, expected: string): never => {
    throw invalid(source, `${path === '' ? 'the file' : path} must be ${expected}`);
  };
  const parsed = <T>(
    value: unknown,
    path: string,
    read: (text: string) => T,
    expected: string,
    fallback: T,
  ): T => {
    if (value === undefined) return fallback;
    try {
      return read(String(value));
    } catch {
      return refuse(path, expected);
    }
  };
  return {
    mapping: (value: unknown, path: string, keys: readonly string[]): Record<string, unknown> => {
      if (typeof value !== 'object' || value === null || Array.isArray(value))
        return refuse(path, 'a mapping');
      const stranger = Object.keys(value).find((key) => !keys.includes(key));
      if (stranger !== undefined) {
        const where = path === '' ? stranger : `${path}.${stranger}`;
        throw invalid(source, `${where} is not known; known are ${keys.join(', ')}`);
      }
      return value as Record<string, unknown>;
    },
    list: (value: unknown, path: string, pattern: RegExp, expected: string): string[] => {
      if (value === undefined || value === null) return [];
      if (!Array.isArray(value)) return refuse(path, 'a list');
      return value.map((item: unknown, index) =>
        typeof item === 'string' && pattern.test(item) ? item : refuse(`${path}[${index}]`, expected),
      );
    },
    flag: (value: unknown, path: string): boolean =>
      value === undefined ? false : typeof value === 'boolean' ? value : refuse(path, 'true or false'),
    text: (value: unknown, path: string, pattern: RegExp, expected: string, fallback: string): string => {
      if (value === undefined) return fallback;
      return typeof value === 'string' && pattern.test(value) ? value : refuse(path, expected);
    },
    quantity: (value: unknown, path: string, read: (text: string) => number, fallback: number): number =>
      parsed(value, path, read, 'a quantity such as 2Gi or 500m', fallback),
    parsed,
  };
}
