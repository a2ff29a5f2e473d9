/** systemd on a machine of the lab: the agent is its unit, installed as on a real host, and what is started and ended goes through it. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { run, until, vireo } from '../e2e/harness/commands.ts';
import type { Machine } from './machine.ts';
import { createService, type Service } from './service.ts';

const UNIT = 'vireo-agent.service';

/** The agent of the machine as systemd knows it. `logFile`: what it says; there is no journal. */
export function agentUnit(machine: Machine, stateDirectory: string, logFile: string): Service {
  const opt = '/opt/vireo/current';
  const service = createService({
    machine,
    command: [`${opt}/node`, `${opt}/dist/vireo.js`, 'join', '--state-dir', stateDirectory],
    logFile,
  });
  const systemctl = (...args: string[]) => machine.run('systemctl', ...args);
  return {
    ...service,
    start: async () => {
      const dropIn = join(machine.disk, 'units', `${UNIT}.d`);
      await mkdir(dropIn, { recursive: true });
      const log = `[Service]\nStandardOutput=append:${logFile}\nStandardError=append:${logFile}\n`;
      await writeFile(join(dropIn, 'log.conf'), log);
      await until('systemd answers', async () => {
        return (await run(await machine.inside(['systemctl', 'list-jobs']))).code === 0;
      });
      await machine.run(process.execPath, vireo, 'unit', 'install', '--state-dir', stateDirectory);
      await until('the agent runs', async () => (await service.pid()) !== undefined);
    },
    stop: async () => void (await systemctl('stop', UNIT)),
  };
}
