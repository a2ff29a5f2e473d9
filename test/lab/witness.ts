/**
 * Hears what each QEMU of a guest tells by its second monitor, and the guest by its serial console, while a story is told: when the guest boots
 * anew by itself, its last words say whether its kernel panicked. Both sockets serve one client: nobody else talks to them meanwhile.
 */
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type { Guest } from './guests.ts';

/** A process that waits for the guest is there for some seconds before the guest can run in it. */
const LOOK_MS = 2_000;
const KEPT_LINES = 200;

export type Witness = {
  /** What was heard last, with the time and the host of each line. */
  readonly heard: () => string;
  /** Lets go of all sockets. */
  end(): void;
};

export function witness(guest: Pick<Guest, 'instances'>): Witness {
  const lines: string[] = [];
  const sockets = new Map<number, Socket[]>();

  function note(host: string, text: string): void {
    lines.push(`${new Date().toISOString().slice(11, 23)} ${host}: ${text}`);
    if (lines.length > KEPT_LINES) lines.shift();
  }

  async function look(): Promise<void> {
    for (const { host, pid } of await guest.instances()) {
      if (sockets.has(pid)) continue;
      sockets.set(pid, []);
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const directory = /path=([^,\0]*)\/q2,/.exec(command)?.[1];
      if (directory === undefined) continue;
      // Its sockets lie in the mount namespace of its host.
      const place = `/proc/${pid}/root${directory}`;
      const monitor = listen(`${place}/q2`, (line) => {
        if (line.includes('"event"')) note(host, line);
      });
      monitor.write('{"execute":"qmp_capabilities"}\n');
      const console = listen(`${place}/s`, (line) => note(host, `console: ${line}`));
      sockets.set(pid, [monitor, console]);
    }
  }

  const again = () => void look().catch((error: unknown) => note('-', `not heard: ${error}`));
  const timer = setInterval(again, LOOK_MS);
  again();
  return {
    heard: () => lines.join('\n'),
    end: () => {
      clearInterval(timer);
      for (const socket of [...sockets.values()].flat()) socket.destroy();
    },
  };
}

function listen(path: string, hear: (line: string) => void): Socket {
  const socket = connect(path);
  let rest = '';
  socket.setEncoding('utf8');
  // One that has ended says no more.
  socket.on('error', () => {});
  socket.on('data', (text: string) => {
    const parts = (rest + text).split(/\r?\n/);
    rest = parts.pop() ?? '';
    for (const line of parts) if (line.trim() !== '') hear(line);
  });
  return socket;
}
