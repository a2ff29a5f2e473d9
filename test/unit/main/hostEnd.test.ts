import { describe, expect, it } from 'vitest';
import { hostEnd } from '../../../src/main/hostEnd.ts';

const systemd = (stdout: string, code = 0) => ({
  run: async () => ({ code, stdout, stderr: '', timedOut: false }),
});

describe('an agent that is ended asks systemd whether the host goes down', () => {
  it.each([
    ['  97 reboot.target start waiting\n 101 vireo-agent.service stop running\n', 'Reboot'],
    ['12 kexec.target start waiting\n', 'Reboot'],
    ['101 vireo-agent.service stop running\n97 poweroff.target start waiting\n', 'PowerOff'],
    ['97 halt.target start waiting\n', 'PowerOff'],
  ])('%s', async (jobs, kind) => {
    expect(await hostEnd(systemd(jobs))).toBe(kind);
  });

  it('stays where it is stopped or upgraded, and where a target is only left', async () => {
    expect(await hostEnd(systemd('101 vireo-agent.service restart running\n'))).toBeUndefined();
    expect(await hostEnd(systemd('97 reboot.target stop waiting\n98 my-reboot.target start waiting\n'))).toBe(
      undefined,
    );
    expect(await hostEnd(systemd(''))).toBeUndefined();
  });

  it('stays where systemd does not answer, or there is none', async () => {
    expect(await hostEnd(systemd('97 reboot.target start waiting\n', 1))).toBeUndefined();
    expect(await hostEnd({ run: () => Promise.reject(new Error('killed')) })).toBeUndefined();
  });
});
