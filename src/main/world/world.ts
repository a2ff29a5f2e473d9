/** The real world in one piece: made once by each program's entry and handed down. */
import type { LogFields } from '../../base/log.ts';
import type { World } from '../../base/world.ts';
import { realClock } from './clock.ts';
import { realFiles } from './files.ts';
import type { LogLevel } from './log.ts';
import { jsonLog } from './log.ts';
import { realProcesses } from './processes.ts';
import { realRandom } from './random.ts';
import { realSockets } from './sockets.ts';

export type RealWorldOptions = {
  logLevel?: LogLevel;
  /** In every log line, such as the role's name. */
  logFields?: LogFields;
  /** PATH of the programs run; default the system's directories, sbin included. */
  searchPath?: string;
};

/** Makes the real adapters of all ports. */
export function realWorld(options: RealWorldOptions = {}): World {
  const { logLevel = 'info', logFields = {}, searchPath } = options;
  const clock = realClock();
  const random = realRandom();
  return {
    clock,
    random,
    log: jsonLog({ level: logLevel, fields: logFields }),
    files: realFiles(random),
    processes: realProcesses({ clock, ...(searchPath === undefined ? {} : { searchPath }) }),
    sockets: realSockets(clock),
  };
}
