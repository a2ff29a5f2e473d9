/** `kubectl vireo explain KIND/NAME`: reads the cluster once and asks the code that places guests. */
import process from 'node:process';
import { Container } from '../../api/kinds/container.ts';
import { VirtualMachine } from '../../api/kinds/virtualMachine.ts';
import type { World } from '../../base/world.ts';
import { parseTarget } from '../../cli/console.ts';
import { printExplanation } from '../../cli/explain.ts';
import type { Client } from '../../client/contract.ts';
import { explainGuest } from '../../cluster/placement/explain.ts';
import { connect } from '../connect.ts';
import { readSnapshot } from '../snapshot.ts';

export type ExplainOptions = { target: string; namespace: string; kubeconfig: string };

/** The exit code: 0 when the guest has a host, 1 when none takes it. Rejects with ApiError. */
export async function runExplain(options: ExplainOptions, world: World): Promise<number> {
  const target = parseTarget(options.target, options.namespace);
  const client = await connect(options.kubeconfig, 'vireo-explain', world);
  const { guest, snapshot } = await read(client, target).finally(() => client.close());
  const explanation = explainGuest(guest, snapshot);
  process.stdout.write(printExplanation({ guest: options.target, ...explanation }));
  return explanation.host === undefined ? 1 : 0;
}

async function read(client: Client, { kind, ...ref }: ReturnType<typeof parseTarget>) {
  const guest =
    kind === 'VirtualMachine' ? await client.get(VirtualMachine, ref) : await client.get(Container, ref);
  return { guest, snapshot: await readSnapshot(client) };
}
