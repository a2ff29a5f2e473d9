/** `kubectl vireo drain HOST [--undo]`: shows what will become of each guest, asks for maintenance, follows it. */
import process from 'node:process';
import { Host, type HostSpec } from '../../api/kinds/host.ts';
import { ReasonedError } from '../../base/outcome.ts';
import type { World } from '../../base/world.ts';
import { followDrain, printGuests, setMaintenance } from '../../cli/drain.ts';
import type { Client } from '../../client/contract.ts';
import { previewMaintenance } from '../../cluster/maintenance/preview.ts';
import { connect } from '../connect.ts';
import { readSnapshot } from '../snapshot.ts';

type Maintenance = NonNullable<HostSpec['maintenance']>;

export type DrainOptions = {
  host: string;
  kubeconfig: string;
  undo?: true | undefined;
  dryRun?: true | undefined;
  reason?: string | undefined;
  policy?: string | undefined;
  fallback?: string | undefined;
  deadline?: number | undefined;
  parallel?: number | undefined;
  timeout?: number | undefined;
};

/** The exit code: 0 when the host may be rebooted, 1 when the time to wait was over first. */
export async function runDrain(options: DrainOptions, world: World): Promise<number> {
  const client = await connect(options.kubeconfig, 'vireo-drain', world);
  try {
    return await drain(client, options, world);
  } finally {
    await client.close();
  }
}

async function drain(client: Client, options: DrainOptions, world: World): Promise<number> {
  const print = (text: string) => void process.stdout.write(text);
  if (options.undo === true) {
    await setMaintenance(client, options.host, undefined);
    print(`${options.host} takes guests again; those that left come back\n`);
    return 0;
  }
  const maintenance = maintenanceOf(options);
  const host = await client.get(Host, { name: options.host });
  print(printGuests(previewMaintenance(host, maintenance, await readSnapshot(client))));
  if (options.dryRun === true) return 0;
  await setMaintenance(client, options.host, maintenance);
  const timeoutMs = (options.timeout ?? Number.POSITIVE_INFINITY) * 1_000;
  return (await followDrain(client, options.host, { clock: world.clock, print, timeoutMs })) ? 0 : 1;
}

/** Only what was said: the rest stays as it is declared elsewhere, or the default. */
function maintenanceOf({ reason, policy, fallback, deadline, parallel }: DrainOptions): Maintenance {
  return {
    enabled: true,
    ...(reason === undefined ? {} : { reason }),
    ...(policy === undefined ? {} : { policy: oneOf('--policy', policy, ['Migrate', 'Stop', 'Leave']) }),
    ...(fallback === undefined ? {} : { fallback: oneOf('--fallback', fallback, ['Leave', 'Stop']) }),
    ...(deadline === undefined ? {} : { deadlineSeconds: deadline }),
    ...(parallel === undefined ? {} : { parallel }),
  };
}

function oneOf<T extends string>(option: string, text: string, values: readonly T[]): T {
  const value = values.find((one) => one.toLowerCase() === text.toLowerCase());
  if (value === undefined) throw new ReasonedError('BadOption', `${option} is one of ${values.join(', ')}`);
  return value;
}
