/** The agent's link to the keeper of its host: starts one where none answers, in its own session, so that it outlives the agent. */
import { dirname, join } from 'node:path';
import type { KeeperLink } from '../../agent/guarding.ts';
import type { Clock } from '../../base/clock.ts';
import type { World } from '../../base/world.ts';
import { type Control, connectControl, type Reply } from './control.ts';
import type { KeeperPlace } from './place.ts';

/** A Lease that lists a guest is acknowledged within two renewals, or nobody hears this host. */
const GUARD_MS = 5_000;
const ANSWER_MS = 2_000;
const START_MS = 10_000;
const SOCKET = 'keeper.sock';

/** `command`: how a keeper is started, without its one argument. A keeper of another `version` is replaced: the next goes on where it ended. */
export function keeperLink(
  world: Pick<World, 'files' | 'processes' | 'clock' | 'log'>,
  at: KeeperPlace,
  { command, version }: { command: readonly string[]; version: string },
): KeeperLink {
  const { files, processes, clock } = world;
  const socket = join(at.runDirectory, SOCKET);
  let control: Promise<Control> | undefined;

  const start = async (): Promise<Control> => {
    const place = join(at.runDirectory, 'keeper-place.json');
    await files.makeDirectory(dirname(place), { mode: 0o700, fleeting: true });
    await files.writeAtomic(place, JSON.stringify(at), { mode: 0o600, fleeting: true });
    await processes.spawnDetached([...command, place], { outputPath: join(at.runDirectory, 'keeper.log') });
    const until = clock.monotonic() + START_MS;
    for (;;) {
      try {
        return await connectControl(socket);
      } catch (error) {
        if (clock.monotonic() > until) throw error;
        await clock.sleep(50);
      }
    }
  };

  const reach = async (): Promise<Control> => {
    const found = await connectControl(socket).catch(() => undefined);
    if (found === undefined) return start();
    if ((await found.ask({ do: 'state' }, ANSWER_MS)).version === version) return found;
    world.log.info('a keeper of another version goes; the next goes on where it ended');
    found.close();
    await endKeeper(at.runDirectory, clock, { forget: false });
    return start();
  };

  const ask = async (order: Parameters<Control['ask']>[0], timeoutMs: number): Promise<Reply> => {
    control ??= reach();
    try {
      const reply = await (await control).ask(order, timeoutMs);
      if (reply.error !== undefined) throw new Error(reply.error);
      return reply;
    } catch (error) {
      // One that has gone is reached anew, or started, by the next question.
      void control?.then((one) => one.close()).catch(() => undefined);
      control = undefined;
      throw error;
    }
  };

  return {
    state: async () => (await ask({ do: 'state' }, ANSWER_MS)).state,
    guard: async (key, id) => {
      const { life } = await ask({ do: 'guard', key, group: id }, GUARD_MS);
      if (life === undefined) throw new Error('the keeper names no life');
      return life;
    },
    release: async (key) => void (await ask({ do: 'release', key }, GUARD_MS)),
    retire: async () => {
      control = undefined;
      // One that is not there is not started: nothing is known of its life.
      const found = await connectControl(socket);
      try {
        const { life, error } = await found.ask({ do: 'retire' }, ANSWER_MS);
        if (life === undefined) throw new Error(error ?? 'the keeper is of an earlier version');
        return life;
      } finally {
        found.close();
      }
    },
    end: async () => {
      control = undefined;
      await endKeeper(at.runDirectory, clock, { forget: true });
    },
  };
}

/** Ends the keeper that has its socket there, and waits until it has gone; none is no error. Its guests run on. */
export async function endKeeper(
  runDirectory: string,
  clock: Clock,
  { forget }: { forget: boolean },
): Promise<void> {
  const socket = join(runDirectory, SOCKET);
  const until = clock.monotonic() + START_MS;
  for (;;) {
    const one = await connectControl(socket).catch(() => undefined);
    if (one === undefined) return;
    await one.ask({ do: 'end', forget }, ANSWER_MS).catch(() => undefined);
    one.close();
    if (clock.monotonic() > until) throw new Error('the keeper does not end');
    await clock.sleep(50);
  }
}
