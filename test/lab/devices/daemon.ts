/** A device of the lab is a daemon with files of its own, on loopback or in a network namespace, ended by its pid. */
import { spawn } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { run, until } from '../../e2e/harness/commands.ts';

/** How the power behind a device is seen and switched: shell commands, run by the device's daemon. */
export type PowerCommands = { isOn: string; on: string; off: string };

export type Device = {
  /** Where it listens. */
  address: string;
  port: number;
  close(): Promise<void>;
};

export type DeviceOptions = {
  /** Made; holds what the daemon reads and writes. */
  directory: string;
  address: string;
  port: number;
  /** The network namespace it lives in; absent: this machine's own, for loopback. */
  namespace?: string;
};

/** The command inside the namespace of the device. */
export function within(namespace: string | undefined, command: readonly string[]): string[] {
  return namespace === undefined ? [...command] : ['ip', 'netns', 'exec', namespace, ...command];
}

/** Starts a daemon that stays in the foreground, and waits until `probe` (run where it lives) answers with exit code 0. */
export async function startDaemon(
  options: DeviceOptions,
  command: readonly string[],
  probe: readonly string[],
): Promise<Device> {
  const { directory, address, port, namespace } = options;
  await mkdir(directory, { recursive: true });
  const log = await open(join(directory, 'daemon.log'), 'a');
  const [program = '', ...args] = within(namespace, command);
  const child = spawn(program, args, { detached: true, stdio: ['ignore', log.fd, log.fd] });
  await log.close();
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve());
    child.once('error', () => resolve());
  });
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  const what = `${command[0]} answers on ${address} port ${port}`;
  await until(what, async () => (await run(within(namespace, probe))).code === 0, 20_000).catch(
    async (error) => {
      await close();
      throw error;
    },
  );
  return { address, port, close };
}
