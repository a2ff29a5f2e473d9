/** The management controller of one machine: OpenIPMI's simulator, which speaks RMCP+ as a real one does and switches power by commands of ours. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Device, type DeviceOptions, type PowerCommands, startDaemon } from './daemon.ts';

export const IPMI_USER = 'admin';
export const IPMI_PASSWORD = 'open-sesame';

/** Power-on of a controller without sensors: ipmi_sim_cmd(5). */
const EMULATION = `mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
`;

/** Called as `0x20 get power boot ...` and `0x20 set power 0 reset 1 ...`: ipmi_lan(5), chassis_control. */
function chassis({ isOn, on, off }: PowerCommands): string {
  return `#!/bin/sh
shift; verb=$1; shift
case $verb in
  get) for what in "$@"; do case $what in
    power) if ${isOn}; then echo power:1; else echo power:0; fi;;
    boot) echo boot:default;;
    *) echo "$what:0";;
  esac; done;;
  set) while [ $# -gt 1 ]; do case $1 in
    power) if [ "$2" = 1 ]; then ${on}; else ${off}; fi;;
    reset) ${off}; ${on};;
    shutdown) ${off};;
  esac; shift 2; done;;
esac
exit 0
`;
}

function lan({ address, port, directory }: DeviceOptions): string {
  const allowed = ['callback', 'user', 'operator', 'admin'].map(
    (level) => `    allowed_auths_${level} none md2 md5 straight`,
  );
  return `name "lab"
set_working_mc 0x20
  startlan 1
    addr ${address} ${port}
    priv_limit admin
${allowed.join('\n')}
    guid a123456789abcdefa123456789abcdef
  endlan
  chassis_control "${join(directory, 'chassis.sh')} 0x20"
  startnow false
  user 1 true "" "test" user 10 none md2 md5 straight
  user 2 true "${IPMI_USER}" "${IPMI_PASSWORD}" admin 10 none md2 md5 straight
`;
}

/** Needs Debian's openipmi and ipmitool. */
export async function openIpmi(options: DeviceOptions, power: PowerCommands): Promise<Device> {
  const { directory, address, port } = options;
  const state = join(directory, 'state');
  await mkdir(state, { recursive: true });
  await writeFile(join(directory, 'chassis.sh'), chassis(power), { mode: 0o755 });
  await writeFile(join(directory, 'lan.conf'), lan(options));
  await writeFile(join(directory, 'sim.emu'), EMULATION);
  return startDaemon(
    options,
    ['ipmi_sim', '-c', join(directory, 'lan.conf'), '-f', join(directory, 'sim.emu'), '-s', state, '-n'],
    [
      ...['ipmitool', '-I', 'lanplus', '-C', '3', '-H', address, '-p', String(port)],
      ...['-U', IPMI_USER, '-P', IPMI_PASSWORD, '-N', '1', '-R', '1', 'chassis', 'power', 'status'],
    ],
  );
}
