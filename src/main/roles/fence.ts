/** `kubectl vireo fence test HOST` asks the manager to test the host's fence devices, `fence confirm HOST` gives it a person's word. */
import { randomUUID } from 'node:crypto';
import process from 'node:process';
import type { World } from '../../base/world.ts';
import { confirmFence } from '../../cli/confirm.ts';
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

const CONFIRM_TIMEOUT_SECONDS = 30;

/** The exit code: 1 without `yes`, which says what the word means. */
export async function runFenceConfirm(
  { host, kubeconfig, yes }: { host: string; kubeconfig: string; yes?: boolean | undefined },
  world: World,
): Promise<number> {
  if (yes !== true) {
    process.stderr.write(
      `This says that ${host} is off and stays off. If it is not, its guests will run twice and ruin their disks.\n` +
        'Look at the machine, then say so with --yes.\n',
    );
    return 1;
  }
  const client = await connect(kubeconfig, 'vireo-fence', world);
  try {
    const timeoutMs = CONFIRM_TIMEOUT_SECONDS * 1_000;
    process.stdout.write(await confirmFence(client, host, { clock: world.clock, timeoutMs }));
    return 0;
  } finally {
    await client.close();
  }
}
