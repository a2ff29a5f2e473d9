/** Why containers do not start, from logs of LXC 5.0.2 as it wrote them. */
import { describe, expect, it } from 'vitest';
import { startFailure } from '../../../../src/drivers/hypervisor/lxc/failure.ts';

const prefix = 'lxc-start u1 20261120114022.306 ';
const log = (...errors: string[]) =>
  [
    'DEBUG    conf - ../src/lxc/conf.c:lxc_map_ids:3641 - Functional newuidmap and newgidmap binary found',
    ...errors.map((error) => `ERROR    ${error}`),
    'ERROR    lxc_start - ../src/lxc/tools/lxc_start.c:main:306 - The container failed to start',
  ]
    .map((line) => prefix + line)
    .join('\n');

describe('a start that failed', () => {
  it.each([
    [
      'IdRangeNotAllowed',
      'uid range [0-65536)',
      'conf - ../src/lxc/conf.c:lxc_map_ids:3708 - newuidmap failed to write mapping "newuidmap: uid range [0-65536) -> [300000-365536) not allowed": newuidmap 28697 0 300000 65536',
    ],
    [
      'BridgeMissing',
      'nobr0',
      'network - ../src/lxc/network.c:netdev_configure_server_veth:711 - No such file or directory - Failed to attach "vtest0" to bridge "nobr0", bridge interface doesn\'t exist',
    ],
    [
      'InterfaceExists',
      'vtest0',
      'network - ../src/lxc/network.c:netdev_configure_server_veth:662 - File exists - Failed to create veth pair "vtest0" and "vethv9apay"',
    ],
    [
      'InitMissing',
      '/sbin/init',
      'start - ../src/lxc/start.c:start:2197 - No such file or directory - Failed to exec "/sbin/init"',
    ],
    [
      'LimitRefused',
      'memory.limit_in_bytes',
      'cgfsng - ../src/lxc/cgroups/cgfsng.c:cgfsng_setup_limits_legacy:3165 - Device or resource busy - Failed to set "memory.limit_in_bytes" to "4096"',
    ],
    [
      'RootfsMissing',
      'not there',
      'mount_utils - ../src/lxc/mount_utils.c:create_detached_idmapped_mount:293 - No such file or directory - Failed to create detached mount',
    ],
    [
      'IdmapUnsupported',
      'ext4',
      'conf - ../src/lxc/conf.c:lxc_rootfs_prepare_parent:656 - Invalid argument - Failed to create detached idmapped mount',
    ],
    [
      'CgroupOccupied',
      'control group',
      'cgfsng - ../src/lxc/cgroups/cgfsng.c:cgfsng_monitor_create:1388 - Numerical result out of range - Failed to create monitor cgroup',
    ],
    [
      'LxcPathClosed',
      '/tmp/closed',
      'start - ../src/lxc/start.c:f:1 - Permission denied - Could not access /tmp/closed. Please grant it x access, or add an ACL for the container root',
    ],
    [
      'KilledWhileStarting',
      'memory limit',
      'sync - ../src/lxc/sync.c:sync_wake:47 - Broken pipe - Sync wake failure',
    ],
  ])('because of %s says so', (reason, told, error) => {
    expect(startFailure(log(error), 'failed')).toMatchObject({
      reason,
      message: expect.stringContaining(told),
    });
  });

  it('for a cause we do not know repeats the first error, not the last', () => {
    const failure = startFailure(
      log(
        'confile - ../src/lxc/confile.c:x:1 - Invalid argument - Unsupported config key "lxc.x"',
        'parse - ../src/lxc/parse.c:y:2 - Failed to parse',
      ),
      'failed',
    );
    expect(failure).toMatchObject({
      reason: 'LxcStartFailed',
      message: 'Invalid argument - Unsupported config key "lxc.x"',
    });
  });

  it('without a log repeats what the program said', () => {
    expect(startFailure('', 'lxc-start exited with 1: no')).toMatchObject({
      reason: 'LxcStartFailed',
      message: 'lxc-start exited with 1: no',
    });
  });

  it('waits for the user where trying again is useless', () => {
    expect(
      startFailure(
        log('start - ../src/lxc/start.c:start:2197 - Exec format error - Failed to exec "/sbin/init"'),
        '',
      ).stalled,
    ).toBe(true);
  });
});
