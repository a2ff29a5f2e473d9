/** Whether a machine of a lab and its control plane hear each other over the switch, and what there is to see where they do not. */
import { run, until } from '../e2e/harness/commands.ts';
import type { Machine } from './machine.ts';

/** A bridge learns in milliseconds. */
const ANSWER_MS = 10_000;

/**
 * Waits until `address` answers the machine. A machine that is not heard is switched off and on once, and what its network looks like is
 * printed. Throws when that does not help either.
 */
export async function connected(
  machine: Machine,
  address: string,
  namespaces: readonly string[],
): Promise<void> {
  const ping = async () => {
    const command = ['busybox', 'ping', '-c', '1', '-W', '1', address];
    return (await run(await machine.inside(command))).code === 0;
  };
  const answers = () =>
    until(`${machine.name} reaches ${address}`, ping, ANSWER_MS).then(
      () => true,
      () => false,
    );
  if (await answers()) return;
  const seen = await network(namespaces);
  process.stderr.write(`${machine.name} does not reach ${address}, and is switched off and on:\n${seen}\n`);
  await machine.powerCut();
  await machine.powerOn();
  if (await answers()) return;
  throw new Error(`${machine.name} does not reach ${address}:\n${await network(namespaces)}`);
}

const LOOKS = ['ip -d link', 'ip addr', 'ip neigh', 'bridge fdb', 'nft list ruleset'];

async function network(namespaces: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const namespace of namespaces) {
    for (const look of LOOKS) {
      const { stdout, stderr } = await run(['ip', 'netns', 'exec', namespace, ...look.split(' ')]);
      parts.push(`${namespace}: ${look}`, stdout.trimEnd(), stderr.trimEnd());
    }
  }
  return parts.filter((part) => part !== '').join('\n');
}
