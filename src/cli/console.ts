/** `vireo console KIND/NAME`: joins this terminal with a guest's serial console on this host. Ctrl-] leaves. */
import type { Duplex } from 'node:stream';
import { Container } from '../api/kinds/container.ts';
import { VirtualMachine } from '../api/kinds/virtualMachine.ts';
import type { Clock } from '../base/clock.ts';
import type { Client } from '../client/contract.ts';

const LEAVE = 0x1d;

export type Terminal = {
  input: NodeJS.ReadableStream & { setRawMode?(on: boolean): unknown; isTTY?: boolean };
  output: NodeJS.WritableStream;
};

export type ConsoleTarget = { kind: 'VirtualMachine' | 'Container'; namespace: string; name: string };

/** `vm/demo`, `virtualmachine/demo`, `ct/web`, `container/web`; throws with the forms it takes. */
export function parseTarget(text: string, namespace: string): ConsoleTarget {
  const [kind = '', name = ''] = text.split('/');
  const lower = kind.toLowerCase();
  if (['vm', 'virtualmachine', 'virtualmachines'].includes(lower) && name !== '') {
    return { kind: 'VirtualMachine', namespace, name };
  }
  if (['ct', 'container', 'containers'].includes(lower) && name !== '')
    return { kind: 'Container', namespace, name };
  throw new Error(`"${text}" is no guest: write vm/NAME or ct/NAME`);
}

export type ConsolePlace =
  /** A unix socket that carries the serial line. */
  | { type: 'Socket'; path: string }
  /** A container, by its uuid: LXC hands out its console. */
  | { type: 'Container'; uuid: string };

/** Where the console of the guest is, from its status. Throws when it does not run. */
export async function findConsole(client: Client, target: ConsoleTarget): Promise<ConsolePlace> {
  const ref = { name: target.name, namespace: target.namespace };
  const { status } =
    target.kind === 'VirtualMachine'
      ? await client.get(VirtualMachine, ref)
      : await client.get(Container, ref);
  const runs = status?.phase === 'Running' || status?.phase === 'Paused';
  if (runs && target.kind === 'Container' && status.uuid !== undefined)
    return { type: 'Container', uuid: status.uuid };
  if (runs && status.console?.serial !== undefined) return { type: 'Socket', path: status.console.serial };
  throw new Error(`${target.kind} ${target.name} has no console: its phase is ${status?.phase ?? 'Pending'}`);
}

/** After the end of piped input the guest may answer for as long as it is not silent this long. */
const SILENCE_MS = 1_000;

/** Copies both ways until the guest closes the line, Ctrl-] is typed, or piped input has ended and been answered. */
export function joinConsole(
  line: Duplex,
  { input, output }: Terminal,
  clock: Pick<Clock, 'after'>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const raw = input.isTTY === true && input.setRawMode !== undefined;
    let inputEnded = false;
    let cancel = () => {};
    const end = (error?: Error) => {
      cancel();
      input.removeListener('data', type);
      if (raw) input.setRawMode?.(false);
      input.pause();
      line.destroy();
      if (error === undefined) resolve();
      else reject(error);
    };
    const type = (chunk: Buffer | string) => {
      const bytes = Buffer.from(chunk);
      if (bytes.includes(LEAVE)) end();
      else line.write(bytes);
    };
    const waitForSilence = () => {
      cancel();
      if (inputEnded) cancel = clock.after(SILENCE_MS, end);
    };
    if (raw) input.setRawMode?.(true);
    input.on('data', type);
    input.once('end', () => {
      inputEnded = true;
      waitForSilence();
    });
    line.on('data', (chunk: Buffer) => {
      output.write(chunk);
      waitForSilence();
    });
    line.once('close', () => end());
    line.once('error', end);
    input.resume();
    // A prompt that was printed before we came is asked for again.
    line.write('\n');
  });
}
