/** The switch, at which QEMU has stopped the guest and waits to be told to send the rest (capability `pause-before-switchover`). */
import { type QmpConnection, QmpError } from '../qmp.ts';
import { migrationFacts } from './facts.ts';

/** Lets QEMU go on at the switch. Told again while it is about to, it refuses that: it has gone on by then. */
export async function passSwitch(monitor: QmpConnection): Promise<void> {
  try {
    await monitor.execute('migrate-continue', { state: 'pre-switchover' });
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    if ((await migrationFacts(monitor)).status === 'pre-switchover') throw error;
  }
}
