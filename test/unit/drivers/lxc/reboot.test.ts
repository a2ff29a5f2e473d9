/** The hook that starts a container anew when it reboots itself. */
import { describe, expect, it } from 'vitest';
import { containerPaths } from '../../../../src/drivers/hypervisor/lxc/paths.ts';
import { planRebootHook } from '../../../../src/drivers/hypervisor/lxc/reboot.ts';
import { aGuest } from './requests.ts';

describe('the reboot hook', () => {
  it('is this script', async () => {
    const guest = aGuest();
    await expect(planRebootHook(guest.id, '/run/v/lxc', containerPaths(guest))).toMatchFileSnapshot(
      'golden/reboot.sh',
    );
  });

  it.each(['/state/$(reboot)', '/state/a b', "/state/it's", '/state/a;b'])(
    'is not made for the path %s',
    (directory) => {
      const paths = containerPaths({ ...aGuest(), directory });
      expect(() => planRebootHook('id', '/run/v/lxc', paths)).toThrow(/cannot be a path/);
    },
  );
});
