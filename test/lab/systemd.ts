/** What an agent asks of systemd: machines of the lab have none. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Host } from './lab.ts';

/** First in the search path of programs. */
const FIRST = '/usr/local/sbin';

/** systemd ends the agent on its way down; resolves when it has ended. What is mounted for it goes with the host's power. */
export async function goesDown(host: Host, target: 'poweroff.target' | 'reboot.target'): Promise<void> {
  const folder = join(host.disk, 'systemd');
  await mkdir(folder, { recursive: true });
  const jobs = `12 vireo-agent.service stop running\n13 ${target} start waiting\n`;
  await writeFile(join(folder, 'systemctl'), `#!/bin/sh\nprintf '${jobs.replaceAll('\n', '\\n')}'\n`, {
    mode: 0o755,
  });
  await host.run('mount', '--bind', folder, FIRST);
  await host.agent.stop();
}
