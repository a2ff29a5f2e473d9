/** What a person needs to see when a story of a lab has failed: objects, agents' last words, and what each guest's hypervisor says of it. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../e2e/harness/commands.ts';
import type { Lab } from './lab.ts';

const LOG_LINES = 40;

/** Never throws: what cannot be found out is said in its place. */
export async function report(lab: Lab, objects: readonly string[]): Promise<string> {
  const parts: string[] = [];
  for (const name of objects) {
    const { stdout, stderr } = await lab.tryKubectl('get', name, '-o', 'json');
    parts.push(`${name}: ${statusOf(stdout) ?? stderr}`);
  }
  const { stdout: hosts } = await lab.tryKubectl('get', 'vhost,vm,ct,mig', '-A', '-o', 'wide');
  parts.push(hosts);
  for (const name of await lab.hostNames().catch(() => [])) {
    const log = await readFile(join(lab.directory, `${name}.log`), 'utf8').catch(String);
    parts.push(`${name}, its agent:`, log.trimEnd().split('\n').slice(-LOG_LINES).join('\n'));
    parts.push(`${name}, its guests:`, await hypervisors(lab, name));
    parts.push(`${name}, its processes:`, ...(await processesOf(lab, name)));
    const links = await lab.host(name).run('bridge', 'fdb', 'show', 'br', 'vmbr0').catch(String);
    const learnt = links.split('\n').filter((line) => !line.includes('permanent'));
    parts.push(`${name}, what its bridge has learnt:`, ...learnt);
  }
  return parts.join('\n');
}

/** As the machine underneath sees them, with what each waits for: also of a host that is said to have no power. */
async function processesOf(lab: Lab, host: string): Promise<string[]> {
  const pids = await lab.host(host).pids();
  const { stdout } = await run(['ps', '-o', 'pid,stat,wchan:24,cgroup:160,args', '-p', pids.join()]);
  return stdout.split('\n').map((line) => line.slice(0, 320));
}

function statusOf(json: string): string | undefined {
  try {
    const { status, items } = JSON.parse(json) as { status?: unknown; items?: { status?: unknown }[] };
    return JSON.stringify(status ?? items?.map((item) => item.status));
  } catch {
    return undefined;
  }
}

/**
 * Asks each QEMU of the host by its second monitor, and listens to what its guest says when Enter is pressed on the serial console. Where its
 * processor is, twice, and the time it has had between the two, tell a guest that hangs from one that gets no processor.
 */
const ASK = `
const net = require('net'), fs = require('fs');
const talk = (path, lines, ms) => new Promise((done) => {
  let heard = '';
  const socket = net.connect(path, () => socket.write(lines));
  socket.on('data', (bytes) => { heard += bytes; });
  socket.on('error', (error) => { heard += error.message; });
  setTimeout(() => { socket.destroy(); done(heard); }, ms);
});
const ticks = (pid) => {
  const fields = fs.readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ')[1].split(' ');
  return Number(fields[11]) + Number(fields[12]);
};
const ask = (execute) => JSON.stringify({ execute }) + '\\n';
(async () => {
  for (const pid of fs.readdirSync('/proc')) {
    let line = '';
    try { line = fs.readFileSync('/proc/' + pid + '/cmdline', 'utf8'); } catch {}
    const directory = /path=([^,\\0]*)\\/q,/.exec(line)?.[1];
    if (!/^[^\\0]*qemu-system/.test(line) || directory === undefined) continue;
    const questions = ['qmp_capabilities', 'query-status', 'query-migrate', 'query-block-jobs'].map(ask).join('');
    const registers = { execute: 'human-monitor-command', arguments: { 'command-line': 'info registers' } };
    const where = async () => {
      const said = await talk(directory + '/q2', ask('qmp_capabilities') + JSON.stringify(registers) + '\\n', 500);
      return (/RIP=.*?HLT=./.exec(said)?.[0] ?? said) + ' after ' + ticks(pid) + ' ticks';
    };
    console.log('pid ' + pid + (line.includes('-incoming') ? ' (came here)' : ''));
    console.log(await talk(directory + '/q2', questions, 1000));
    console.log(await where());
    console.log('console: ' + await talk(directory + '/s', '\\n', 3000));
    console.log(await where());
  }
})();
`;

function hypervisors(lab: Lab, host: string): Promise<string> {
  return lab.host(host).run(process.execPath, '-e', ASK).catch(String);
}
