/** The one window to the world: what `main` makes for real and tests make fake. */
import type { Clock } from './clock.ts';
import type { Files } from './files.ts';
import type { Log } from './log.ts';
import type { Processes } from './processes.ts';
import type { Random } from './random.ts';
import type { Sockets } from './sockets.ts';

export type World = {
  clock: Clock;
  random: Random;
  log: Log;
  files: Files;
  processes: Processes;
  sockets: Sockets;
};
