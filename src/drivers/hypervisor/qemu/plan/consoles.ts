/** How people and programs reach the guest on this host, each by a unix socket: monitors, serial line, screen, guest agent. Pure. */
import { agentChannel, serialController, vgaId } from './ids.ts';
import { type PlanInput, placement } from './input.ts';
import { device, optionList } from './options.ts';

/** Two monitors (each serves one client), the serial line, the screen and the channel of the guest agent. */
export function planConsoles(input: PlanInput): string[] {
  const { sockets } = input;
  return [
    ...socket('char-monitor', sockets.qmp),
    '-mon',
    'chardev=char-monitor,mode=control',
    ...socket('char-monitor2', sockets.qmp2),
    '-mon',
    'chardev=char-monitor2,mode=control',
    ...socket('char-serial', sockets.serial),
    ...device('isa-serial', 'serial0', { chardev: 'char-serial' }),
    ...planScreen(input),
    ...planAgent(input),
  ];
}

function planScreen(input: PlanInput): string[] {
  if (input.request.display === 'None') return ['-display', 'none'];
  return [...device('VGA', vgaId, placement(input, vgaId)), '-vnc', optionList(`unix:${input.sockets.vnc}`)];
}

function planAgent(input: PlanInput): string[] {
  if (!input.request.guestAgent) return [];
  const port = { bus: `${serialController}.0`, chardev: agentChannel, name: 'org.qemu.guest_agent.0' };
  return [...socket(agentChannel, input.sockets.guestAgent), ...device('virtserialport', 'agent0', port)];
}

function socket(id: string, path: string): string[] {
  return ['-chardev', optionList('socket', { id, path, server: true, wait: false })];
}
