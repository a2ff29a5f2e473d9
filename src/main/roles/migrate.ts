/** `kubectl vireo migrate KIND/NAME [--to HOST] [--offline]`. */
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { parseTarget } from '../../cli/console.ts';
import { migrate } from '../../cli/migrate.ts';
import { connect } from '../connect.ts';

export type MigrateCommand = {
  target: string;
  namespace: string;
  kubeconfig: string;
  to?: string;
  offline: boolean;
};

/** The exit code: 0 when the guest has moved. */
export async function runMigrate(command: MigrateCommand, world: World): Promise<number> {
  const { to, offline } = command;
  const target = parseTarget(command.target, command.namespace);
  const client = await connect(command.kubeconfig, 'vireo-migrate', world);
  const tools = { client, clock: world.clock, random: world.random };
  const options = { target, offline, ...(to === undefined ? {} : { to }) };
  return migrate(tools, options, (line) => process.stdout.write(`${line}\n`)).finally(() => client.close());
}
