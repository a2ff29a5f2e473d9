/** What a scenario lets happen, one function for each word of its timeline. */
import { parseDuration } from '../../base/duration.ts';
import { parseBytes } from '../../base/quantity.ts';
import { guardKey } from '../../cluster/ha/model.ts';
import type { Cluster } from './cluster.ts';
import { API_DEEDS, type Deed, MANAGER_DEEDS } from './control.ts';
import type { SimHost } from './host.ts';
import { type Entry, type GuestSpec, toGuestSpec, toPolicySpec, toRule } from './scenario.ts';

const HOST_DEEDS: Readonly<Record<string, Deed<SimHost>>> = {
  PowerOn: {
    run: (host, _entry, cluster) => {
      host.hasMains = true;
      if (host.power() === 'PoweredOff') host.network = 'Connected';
      cluster.trace('timeline', 'PowerOn', host.name);
      host.powerOn();
    },
  },
  PowerOff: {
    run: (host, _entry, cluster) => {
      cluster.results.fault(host.name);
      host.hasMains = false;
      host.powerOff();
    },
  },
  Shutdown: { run: (host, _entry, cluster) => end(host, 'PowerOff', cluster) },
  Reboot: { run: (host, _entry, cluster) => end(host, 'Reboot', cluster) },
  CutNetwork: {
    run: (host, _entry, cluster) => {
      cluster.results.fault(host.name);
      host.network = 'Cut';
    },
  },
  RestoreNetwork: {
    run: (host) => {
      host.network = 'Connected';
      host.controlPlaneCut = false;
    },
  },
  CutStorage: {
    may: ['for'],
    run: (host, entry, cluster) => {
      host.storage = 'Cut';
      later(entry, cluster, () => {
        host.storage = 'Connected';
      });
    },
  },
  RestoreStorage: {
    run: (host) => {
      host.storage = 'Connected';
    },
  },
  CutControlPlane: {
    may: ['for'],
    run: (host, entry, cluster) => {
      cluster.results.fault(host.name);
      host.controlPlaneCut = true;
      later(entry, cluster, () => {
        host.controlPlaneCut = false;
      });
    },
  },
  Pause: {
    needs: ['for'],
    run: (host, entry, cluster) => {
      cluster.results.fault(host.name);
      host.pause(parseDuration(entry.for ?? '0s'));
    },
  },
  RestartIfRevoked: {
    run: (host, _entry, cluster) => {
      if (cluster.storages.isRevoked(host.name)) host.reset();
    },
  },
  RestartAgent: { run: (host) => host.restartAgent() },
  KillKeeper: { run: (host) => host.killKeeper() },
  DeleteLease: { run: (host, _entry, { api }) => void api.objects.leases.delete(host.name) },
  Maintenance: {
    needs: ['enabled'],
    run: (host, entry, cluster) => setHost(host, cluster, { maintenance: entry.enabled === true }),
  },
  Confirm: {
    run: (host, _entry, cluster) => {
      const confirmed = cluster.api.objects.hosts.get(host.name)?.value.incident?.id;
      if (confirmed !== undefined) setHost(host, cluster, { confirmed });
    },
  },
  FenceFails: {
    may: ['for', 'device'],
    run: (host, entry, cluster) => breakFence(host, 'Fails', entry, cluster),
  },
  FenceLies: {
    may: ['for', 'device'],
    run: (host, entry, cluster) => breakFence(host, 'Lies', entry, cluster),
  },
  FenceWorks: { run: (host) => host.fence.broken.clear() },
  SlowFence: {
    needs: ['for'],
    run: (host, entry) => {
      host.fence.delayMs = parseDuration(entry.for ?? '0s');
    },
  },
  SlowBoot: {
    needs: ['for'],
    run: (host, entry) => {
      host.slowBootMs = parseDuration(entry.for ?? '0s');
    },
  },
  Cut: {
    may: ['from', 'to', 'for'],
    run: (host, entry, cluster) => {
      const cuts = [
        ...(entry.to === undefined ? [] : [`${host.name}>${entry.to}`]),
        ...(entry.from === undefined ? [] : [`${entry.from}>${host.name}`]),
      ];
      for (const cut of cuts) cluster.cuts.add(cut);
      later(entry, cluster, () => {
        for (const cut of cuts) cluster.cuts.delete(cut);
      });
    },
  },
  Clock: {
    may: ['jump', 'drift'],
    run: (host, entry) => {
      // Nothing measures by the wall clock: a jump changes nothing, and that is the point of trying it.
      host.drift = entry.drift ?? host.drift;
    },
  },
};

function end(host: SimHost, kind: 'Reboot' | 'PowerOff', cluster: Cluster): void {
  cluster.results.fault(host.name);
  host.agent()?.shutDown(kind);
}

function later({ for: duration }: Entry, cluster: Cluster, undo: () => void): void {
  if (duration !== undefined) cluster.schedule.after(parseDuration(duration), undo);
}

function setHost(
  host: SimHost,
  { api }: Cluster,
  change: { maintenance?: boolean; confirmed?: string },
): void {
  const spec = api.objects.hostSpecs.get(host.name);
  if (spec !== undefined) api.objects.hostSpecs.set(host.name, { ...spec, ...change });
}

/** The device that is named, or all that the host has. */
function breakFence(host: SimHost, how: 'Fails' | 'Lies', entry: Entry, cluster: Cluster): void {
  const { broken } = host.fence;
  const all = cluster.api.objects.hostSpecs.get(host.name)?.fencing.flat() ?? [];
  const devices = entry.device === undefined ? all : [entry.device];
  for (const device of devices) broken.set(device, how);
  later(entry, cluster, () => {
    for (const device of devices) if (broken.get(device) === how) broken.delete(device);
  });
}

const GUEST_DEEDS: Readonly<Record<string, Deed<string>>> = {
  Migrate: { needs: ['to'], run: (guest, entry, cluster) => command(guest, entry, cluster, 'Migrate') },
  Relocate: { needs: ['to'], run: (guest, entry, cluster) => command(guest, entry, cluster, 'Relocate') },
  SetState: {
    needs: ['state'],
    run: (guest, { state }, cluster) =>
      state === undefined ? undefined : setGuest(guest, cluster, { state }),
  },
  Create: { needs: ['spec'], run: (guest, { spec }, cluster) => createGuest(cluster, guest, spec ?? {}) },
  Delete: { run: (guest, _entry, { api }) => api.deleteGuest(guest) },
  Crash: {
    run: (guest, _entry, cluster) => {
      for (const host of cluster.hosts.values()) {
        const own = host.processes.get(guest);
        if (own?.state !== 'Running') continue;
        host.processes.delete(guest);
        host.after(500, () => host.agent()?.noticeEnd(guest, guardKey(own.uid, own.epoch)));
      }
    },
  },
  Job: {
    needs: ['for'],
    run: (guest, entry, { hosts }) => {
      for (const host of hosts.values()) host.agent()?.work(guest, parseDuration(entry.for ?? '0s'));
    },
  },
  Hang: { run: (guest, _entry, cluster) => setGuest(guest, cluster, { stopHangs: true }) },
  Lock: {
    needs: ['operation'],
    run: (guest, { operation }, cluster) =>
      operation === undefined ? undefined : setGuest(guest, cluster, { lock: operation }),
  },
  Unlock: { run: (guest, _entry, cluster) => setGuest(guest, cluster, {}, 'lock') },
  SetResources: {
    may: ['cpu', 'memory'],
    run: (guest, { cpu, memory }, cluster) =>
      setGuest(guest, cluster, {
        ...(cpu === undefined ? {} : { cpus: cpu }),
        ...(memory === undefined ? {} : { memoryBytes: parseBytes(memory) }),
      }),
  },
  SetLoad: {
    may: ['cpu', 'memory'],
    run: (guest, { cpu, memory }, cluster) => {
      const spec = cluster.api.objects.guests.get(guest)?.value.spec;
      if (spec === undefined) return;
      const load = {
        cpus: cpu ?? spec.cpus,
        memoryBytes: memory === undefined ? spec.memoryBytes : parseBytes(memory),
      };
      setGuest(guest, cluster, { load });
    },
  },
};

function setGuest(guest: string, { api }: Cluster, change: Partial<GuestSpec>, gone?: keyof GuestSpec): void {
  const stored = api.objects.guests.get(guest)?.value;
  if (stored === undefined) return;
  const spec = { ...stored.spec, ...change };
  if (gone !== undefined) delete spec[gone];
  api.putGuest(guest, { ...stored, spec });
}

function command(guest: string, { to, at }: Entry, cluster: Cluster, what: 'Migrate' | 'Relocate'): void {
  if (to !== undefined) setGuest(guest, cluster, { command: { id: `${what}-${at}-${to}`, do: what, to } });
}

/** Makes the guest; one that runs already is found where it is. */
export function createGuest(cluster: Cluster, guest: string, file: NonNullable<Entry['spec']>): void {
  const { api } = cluster;
  const spec = toGuestSpec(guest, file);
  const uid = `${guest}#${api.version()}`;
  const host = file.host === undefined ? undefined : cluster.host(file.host);
  const keeper = host?.keeper();
  if (file.running === true && host !== undefined && keeper !== undefined) {
    host.processes.set(guest, { guest, uid, epoch: 1, state: 'Running' });
    keeper.guard(`${uid}@1`, () => {});
    host.agent()?.setReport(guest, { epoch: 1, state: 'Running', failures: 0 });
  }
  const isOff = spec.state === 'Disabled' || spec.state === 'Ignored';
  api.putGuest(guest, {
    spec,
    uid,
    record: { state: isOff ? (spec.state as 'Disabled' | 'Ignored') : 'Stopped' },
  });
}

/** What is wrong with the entry, or undefined. Guests may be made later, so that their names are not checked. */
export function entryProblem(entry: Entry, hosts: ReadonlySet<string>): string | undefined {
  const { host, guest, manager, api, policy, groups, rules, do: what = '' } = entry;
  const subjects = [host, guest, manager, api].filter((one) => one !== undefined).length;
  if (policy !== undefined || groups !== undefined || rules !== undefined)
    return subjects === 0 ? undefined : 'a change of policy, groups or rules names nobody';
  if (subjects !== 1)
    return 'names exactly one of host, guest, manager, api, or changes policy, groups or rules';
  for (const name of [host, manager, entry.to, entry.from])
    if (name !== undefined && name !== 'api' && !hosts.has(name)) return `there is no host ${name}`;
  const deeds = deedsOf(entry);
  const deed = deeds[what];
  if (deed === undefined) return `do: ${what} is unknown here: there are ${Object.keys(deeds).join(', ')}`;
  const missing = deed.needs?.find((field) => entry[field] === undefined);
  if (missing !== undefined) return `${what} needs ${missing}`;
  const known = ['at', 'host', 'guest', 'manager', 'api', 'do', ...(deed.needs ?? []), ...(deed.may ?? [])];
  const extra = Object.keys(entry).find((field) => !known.includes(field));
  return extra === undefined ? undefined : `${what} takes no ${extra}`;
}

function deedsOf({
  host,
  guest,
  manager,
}: Entry): Readonly<Record<string, Pick<Deed<never>, 'needs' | 'may'>>> {
  if (host !== undefined) return HOST_DEEDS;
  if (guest !== undefined) return GUEST_DEEDS;
  return manager === undefined ? API_DEEDS : MANAGER_DEEDS;
}

/** Lets it happen. */
export function happen(entry: Entry, cluster: Cluster, file: { policy: Record<string, unknown> }): void {
  const { host, guest, manager, api, do: what = '' } = entry;
  const subject = host ?? guest ?? manager ?? api ?? 'policy';
  cluster.trace('timeline', what === '' ? 'Change' : what, subject);
  cluster.invariants.event(entry);
  if (entry.policy !== undefined) {
    file.policy = merge(file.policy, entry.policy);
    cluster.api.objects.policy = toPolicySpec(file.policy);
  }
  if (entry.groups !== undefined) cluster.setGroups(entry.groups);
  if (entry.rules !== undefined) cluster.setRules(entry.rules.map(toRule));
  const machine = host === undefined ? undefined : cluster.host(host);
  if (machine !== undefined) HOST_DEEDS[what]?.run(machine, entry, cluster);
  if (guest !== undefined) GUEST_DEEDS[what]?.run(guest, entry, cluster);
  if (manager !== undefined) MANAGER_DEEDS[what]?.run(manager, entry, cluster);
  if (api !== undefined) API_DEEDS[what]?.run(undefined, entry, cluster);
}

/** RFC 7386: null removes. */
function merge(target: Record<string, unknown>, patch: Record<string, unknown>): Record<string, unknown> {
  const next = { ...target };
  for (const [name, value] of Object.entries(patch)) {
    const old = next[name];
    if (value === null) delete next[name];
    else next[name] = isMap(value) ? merge(isMap(old) ? old : {}, value) : value;
  }
  return next;
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
