/** A switched power strip of eight outlets: net-snmp's agent with the part of APC's PowerNet MIB that fence_apc_snmp uses. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, type DeviceOptions, type PowerCommands, startDaemon } from './daemon.ts';
import { probeOf, snmpd } from './snmp.ts';

export const PDU_COMMUNITY = 'strip-secret';

/** rPDUOutletControl and rPDUOutletStatus of PowerNet-MIB. */
const APC = '.1.3.6.1.4.1.318.1.1.12';
const SYSTEM_ID = '.1.3.6.1.2.1.1.2';
const OUTLETS = 8;

/**
 * What snmpd.conf(5) calls a `pass` program: -g OID, -n OID (the next one) and -s OID TYPE VALUE. The table lists OIDs in their order:
 * commands, names, states.
 */
function program(outlets: ReadonlyMap<number, PowerCommands>): string {
  const numbers = Array.from({ length: OUTLETS }, (_, index) => index + 1);
  const oids = [
    ...numbers.map((outlet) => `${APC}.3.3.1.1.4.${outlet}`),
    ...numbers.map((outlet) => `${APC}.3.5.1.1.2.${outlet}`),
    ...numbers.map((outlet) => `${APC}.3.5.1.1.4.${outlet}`),
  ];
  const each = (line: (power: PowerCommands) => string) =>
    [...outlets].map(([outlet, power]) => `    ${outlet}) ${line(power)};;`).join('\n');
  return `#!/bin/sh
table='${oids.join('\n')}'
is_on() { case $1 in
${each(({ isOn }) => isOn)}
    *) true;;
  esac; }
turn_on() { case $1 in
${each(({ on }) => on)}
  esac; }
turn_off() { case $1 in
${each(({ off }) => off)}
  esac; }
show() {
  outlet=\${1##*.}
  case $1 in
    ${SYSTEM_ID}.0) printf '%s\\nobjectid\\n.1.3.6.1.4.1.318.1.3.4.5\\n' "$1";;
    ${APC}.3.5.1.1.2.*) printf '%s\\nstring\\noutlet%s\\n' "$1" "$outlet";;
    ${APC}.*) if is_on "$outlet"; then state=1; else state=2; fi; printf '%s\\ninteger\\n%s\\n' "$1" "$state";;
  esac
}
next_of() {
  case $1 in ${SYSTEM_ID}) echo ${SYSTEM_ID}.0; return;; ${SYSTEM_ID}.0) return;; esac
  found=
  for oid in $table; do
    [ -n "$found" ] && { echo "$oid"; return; }
    [ "$oid" = "$1" ] && found=1
  done
  [ -n "$found" ] && return
  for oid in $table; do case $oid in "$1".*) echo "$oid"; return;; esac; done
}
case $1 in
  -g) show "$2";;
  -n) oid=$(next_of "$2"); [ -n "$oid" ] && show "$oid";;
  -s) case $2 in
    ${APC}.3.3.1.1.4.*) case $4 in 1|3) turn_on "\${2##*.}";; *) turn_off "\${2##*.}";; esac;;
    *) echo not-writable;;
  esac;;
esac
exit 0
`;
}

/** Needs Debian's snmpd and snmp. Outlets without commands are always on. */
export async function openPdu(
  options: DeviceOptions,
  outlets: ReadonlyMap<number, PowerCommands>,
): Promise<Device> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const script = join(directory, 'outlets.sh');
  await writeFile(script, program(outlets), { mode: 0o755 });
  const extra = [`pass -p 1 ${APC} /bin/sh ${script}`, `pass -p 1 ${SYSTEM_ID} /bin/sh ${script}`];
  return startDaemon(
    options,
    await snmpd(options, PDU_COMMUNITY, extra),
    probeOf(options, PDU_COMMUNITY, `${APC}.3.5.1.1.4.1`),
  );
}
