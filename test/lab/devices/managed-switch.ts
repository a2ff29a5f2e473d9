/** The management side of a switch: net-snmp's agent in the switch's namespace, which takes ports down and up by IF-MIB. */
import { type Device, type DeviceOptions, startDaemon } from './daemon.ts';
import { probeOf, snmpd } from './snmp.ts';

export const SWITCH_COMMUNITY = 'switch-secret';

/** ifNumber of IF-MIB. */
const IF_NUMBER = '.1.3.6.1.2.1.2.1.0';

/** Needs Debian's snmpd and snmp. */
export async function openManagedSwitch(options: DeviceOptions & { namespace: string }): Promise<Device> {
  return startDaemon(
    options,
    await snmpd(options, SWITCH_COMMUNITY),
    probeOf(options, SWITCH_COMMUNITY, IF_NUMBER),
  );
}
