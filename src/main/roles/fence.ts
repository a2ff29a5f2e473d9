/** `kubectl vireo fence test HOST`: asks the manager to test the host's fence devices. */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { testFencing } from '../../cli/fence.ts';
import { connect } from '../connect.ts';

export type FenceTestOptions = { host: string; kubeconfig: string; timeout?: number | undefined };

const DEFAULT_TIMEOUT_SECONDS = 120;

/** The exit code: 0 when every device answered for the host, else 1. */
export async function runFenceTest(
  { host, kubeconfig, timeout }: FenceTestOptions,
  world: World,
): Promise<number> {
  const client = await connect(kubeconfig, 'vireo-fence', world);
  try {
    const timeoutMs = (timeout ?? DEFAULT_TIMEOUT_SECONDS) * 1_000;
    const { text, passed } = await testFencing(client, host, {
      ...{ clock: world.clock, request: randomUUID(), timeoutMs },
    });
    process.stdout.write(text);
    return passed ? 0 : 1;
  } finally {
    await client.close();
  }
}
