/** net-snmp's agent with a configuration of its own: snmpd.conf(5). */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DeviceOptions } from './daemon.ts';

/** Writes the configuration; gives the command that runs the agent in the foreground. */
export async function snmpd(
  { directory, address, port }: DeviceOptions,
  community: string,
  extra: readonly string[] = [],
): Promise<string[]> {
  await mkdir(directory, { recursive: true });
  const configuration = join(directory, 'snmpd.conf');
  const lines = [`agentaddress udp:${address}:${port}`, `rwcommunity ${community} default`, ...extra];
  await writeFile(configuration, `${lines.join('\n')}\n`, { mode: 0o600 });
  // Its own directory for what it keeps, no configuration and no socket of the machine's agent.
  return [
    ...[
      'env',
      `SNMP_PERSISTENT_DIR=${directory}`,
      'snmpd',
      '-f',
      '-Lo',
      '-C',
      '-c',
      configuration,
      '-I',
      '-smux',
    ],
    ...['-p', join(directory, 'pid')],
  ];
}

/** Asks for one value. */
export function probeOf({ address, port }: DeviceOptions, community: string, oid: string): string[] {
  return ['snmpget', '-v2c', '-c', community, '-t', '1', '-r', '0', `${address}:${port}`, oid];
}
