/** What an agent tells the keeper it starts: where the host's things are. */
import type { WatchdogChoice } from '../../keeper/watchdog.ts';

/** Written as JSON into a file, whose path is the keeper's one argument. */
export type KeeperPlace = {
  host: string;
  kubeconfig: string;
  stateDirectory: string;
  runDirectory: string;
  cgroupRoot: string;
  /** Its own control group, beside that root. */
  keeperGroup: string;
  watchdog: WatchdogChoice;
  resetWithoutWatchdog: boolean;
};
