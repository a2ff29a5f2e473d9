/**
 * What is decided of guests: with a majority (S4), on the present state (S12), one operation at a time and each command once (S9), recovery by
 * proof (S2), starts where they may be (S6, S7, S8, S10, S13), and every allowed host tried before a guest is given up (L6).
 */
import { type GuestRecord, type GuestState, isSameLife } from '../../../cluster/ha/model.ts';
import type { StoredGuest } from '../api.ts';
import type { Cluster } from '../cluster.ts';
import type { Violate, Watch } from './contract.ts';
import { isThere, LEFT_ALONE, majorityWatch, promisedTo, roomOf } from './shared.ts';

/**
 * A host that has been Online for so long is known as such to whoever decides; so is room that a guest has left. That is not promised to another in
 * the round that writes down that the guest has gone: the write may be refused.
 */
const KNOWN_MS = 3_000;

/** Where it did not start is forgotten: it runs, or somebody wanted it off, which begins with Stopping, also when it is wanted again before it is off. */
const LET_GO: ReadonlySet<GuestState> = new Set(['Started', 'Stopping', 'Stopped', 'Disabled', 'Ignored']);

export function watchGuests(cluster: Cluster, violate: Violate): Watch {
  const acted = majorityWatch(cluster, violate);
  const epochs = new Map<string, number>();
  const commands = new Set<string>();
  /** Where starts of it were given up since it last ran, or was let go. */
  const failed = new Map<string, Set<string>>();
  const onlineSince = new Map<string, number>();
  /** When somebody last left the host. */
  const leftAt = new Map<string, number>();
  const sent = new Map<string, Set<string>>();

  /** A lost guest starts elsewhere only with a proof for the life it ran in. */
  const recoveredByProof = (guest: string, { record }: StoredGuest, reason: string): void => {
    const from = record.placement;
    if (record.state !== 'Recovering' || from === undefined) return;
    const host = cluster.api.objects.hosts.get(from.host)?.value;
    const isProven =
      isSameLife(host?.proof, from) || (host?.life !== undefined && !isSameLife(host.life, from));
    if (!isProven) violate('S2', `${guest} is recovered from ${from.host} without a proof (${reason})`);
  };

  const hasRoom = (guest: string, name: string, { spec }: StoredGuest, worked = 0): boolean =>
    promisedTo(cluster, name, guest) + worked + spec.memoryBytes <= roomOf(cluster, name);

  /** Memory of guests that are off, in bytes: a job on their volumes makes their host list them, and nobody knows what it needs. */
  const workedOn = (name: string): number =>
    [...(cluster.host(name)?.processes.values() ?? [])]
      .filter(({ state }) => state === 'Job')
      .reduce(
        (sum, { guest }) => sum + (cluster.api.objects.guests.get(guest)?.value.spec.memoryBytes ?? 0),
        0,
      );

  const isListed = (name: string, { spec }: StoredGuest): boolean => {
    const group = spec.group === undefined ? undefined : cluster.groups().get(spec.group);
    return group?.restricted !== true || group.hosts.some((host) => host.name === name);
  };

  /** It runs there, or is about to: one whose process ended with its host is only written down there. */
  const isOn = (name: string, guest: string): boolean => {
    const { state, placement } = cluster.api.objects.guests.get(guest)?.value.record ?? {};
    const host = cluster.host(name);
    if (placement?.host !== name || host === undefined) return false;
    if (state === 'Starting') return isSameLife(placement, host.keeper()?.life());
    return (state === 'Started' || state === 'Migrating') && host.processes.has(guest);
  };

  /** Nobody is kept from it, and whoever joins it has joined its set. */
  const isStopping = (guest: string): boolean => {
    const { state, placement } = cluster.api.objects.guests.get(guest)?.value.record ?? {};
    return state === 'Stopping' && cluster.host(placement?.host ?? '')?.processes.has(guest) === true;
  };

  const fits = (guest: string, name: string, before: StoredGuest): void => {
    const record = cluster.api.objects.hosts.get(name)?.value;
    if (record?.state !== 'Online' && record?.state !== 'Maintenance')
      violate('S7', `${guest} is placed on ${name}, which is ${record?.state}`);
    if (cluster.api.objects.hostSpecs.get(name)?.witness === true)
      violate('S7', `${guest} is placed on ${name}, which is a witness`);
    if (!isListed(name, before)) violate('S8', `${guest} is placed on ${name}, outside its group`);
    for (const rule of cluster.rules()) {
      if (rule.type !== 'KeepApart' || !rule.strict || !rule.guests.includes(guest)) continue;
      for (const other of rule.guests) {
        if (other !== guest && isOn(name, other))
          violate('S8', `${guest} is placed on ${name}, where ${other} is`);
      }
    }
  };

  /** Members of a strict set that run on hosts which are there are joined; one that also keeps apart, or is bound to hosts, may have to stay alone. */
  const joinsItsSet = (guest: string, name: string, { spec, record: before }: StoredGuest): void => {
    // Where it was when the rule came, it may be tried again while its set's host does not take it.
    if (before.placement?.host === name) return;
    const { hosts, guests } = cluster.api.objects;
    const strict = cluster.rules().filter((rule) => rule.strict && rule.guests.includes(guest));
    const isBound = spec.group !== undefined || strict.some(({ type }) => type === 'KeepApart');
    for (const rule of isBound ? [] : strict) {
      const others = rule.guests.filter((other) => other !== guest);
      const isFree = others.every((other) => guests.get(other)?.value.spec.group === undefined);
      const places = others.flatMap((other) => {
        const { placement, target } = guests.get(other)?.value.record ?? {};
        // One that moves is met where it goes, if that host is there.
        const isOnline = (one?: string): one is string => hosts.get(one ?? '')?.value.state === 'Online';
        const place = isOnline(target) ? target : placement?.host;
        const isThere = isOn(placement?.host ?? '', other) || isStopping(other);
        return isThere && isOnline(place) ? [place] : [];
      });
      if (isFree && places.length > 0 && !places.includes(name))
        violate('S8', `${guest} is placed on ${name}, apart from its set on ${places.join(', ')}`);
    }
  };

  /** A set moves as one by the command of any of its members, whatever was commanded of the others before. */
  const isSentWithAnother = (guest: string, to: string): boolean =>
    cluster
      .rules()
      .filter(({ type, strict, guests }) => type === 'KeepTogether' && strict && guests.includes(guest))
      .flatMap(({ guests }) => guests)
      .some((id) => id !== guest && cluster.api.objects.guests.get(id)?.value.spec.command?.to === to);

  const oneOperation = (
    guest: string,
    record: GuestRecord,
    reason: string,
    { record: before, spec }: StoredGuest,
  ): void => {
    const { move } = record;
    if (move !== undefined && before.move !== undefined && move.id !== before.move.id)
      violate('S9', `${guest} is to move to ${move.to} while it moves to ${before.move.to}`);
    const { command } = spec;
    if (command === undefined) return;
    const isSent = move?.why === 'Person' && move.id !== before.move?.id && move.to === command.to;
    const isTaken = (isSent && !isSentWithAnother(guest, command.to)) || reason.startsWith('refused');
    if (!isTaken) return;
    if (commands.has(`${guest} ${command.id}`)) violate('S9', `${guest} is commanded ${command.id} twice`);
    commands.add(`${guest} ${command.id}`);
  };

  /** The model knows of a host that would surely have taken it, and it is sent to one where it has failed. */
  const everyHostIsTried = (guest: string, record: GuestRecord, before: StoredGuest): void => {
    const failedOn = (failed.get(before.uid) ?? new Set(before.record.tried)).add(
      before.record.placement?.host ?? '',
    );
    failed.set(before.uid, failedOn);
    const isAlone = cluster.rules().every(({ guests }) => !guests.includes(guest));
    if (!isAlone || !failedOn.has(record.placement?.host ?? '')) return;
    const { hosts, statements, hostSpecs } = cluster.api.objects;
    const untried = [...hosts].find(([name, { value }]) => {
      const statement = statements.get(name)?.value;
      // What it said in an earlier life takes its room until it has spoken in this one.
      const hasSpoken = statement !== undefined && isSameLife(statement.life, value.life);
      const isWilling = hasSpoken && statement.ready && statement.shutdown === undefined;
      const known = Math.max(onlineSince.get(name) ?? 0, leftAt.get(name) ?? 0);
      const isKnown = cluster.schedule.now() - known > KNOWN_MS;
      const isFree = value.state === 'Online' && hostSpecs.get(name)?.maintenance === false;
      const isPresent = isThere(cluster, name) && cluster.renewedWithin(2_000).has(name);
      const takes = isListed(name, before) && hasRoom(guest, name, before, workedOn(name));
      return !failedOn.has(name) && isWilling && isKnown && isFree && isPresent && takes;
    })?.[0];
    if (untried !== undefined)
      violate('L6', `${guest} is tried on ${record.placement?.host} again, never on ${untried}`);
  };

  return {
    event: ({ do: what }) => {
      if (what !== 'RollBack') return;
      // The store counts again from where it was.
      for (const known of [epochs, commands, failed]) known.clear();
    },
    hostDecided: ({ host, record }, before) => {
      const since = onlineSince.get(host) ?? 0;
      const isOther = before?.value.life !== undefined && !isSameLife(before.value.life, record.life);
      if (record.state !== 'Online') onlineSince.set(host, Infinity);
      else if (since === Infinity || isOther) onlineSince.set(host, cluster.schedule.now());
    },
    guestDecided: ({ guest, record, reason, version }, { value: before, version: stored }) => {
      acted(`${guest} becomes ${record.state}`);
      if (version !== stored) violate('S12', `${guest} becomes ${record.state} by an old view`);
      oneOperation(guest, record, reason, before);
      const { placement } = record;
      const old = before.record.placement;
      const used = (one: GuestRecord): number => one.relocations ?? 0;
      const hasRelocated = used(record) > used(before.record);
      // It ran, or a person let it go: what was tried before counts no more.
      if (LET_GO.has(record.state)) failed.delete(before.uid);
      if (hasRelocated) everyHostIsTried(guest, record, before);
      const isGivenUp = record.state === 'Error' && reason.startsWith('StartFailed');
      if (isGivenUp && used(before.record) < cluster.limits(before.spec).maxRelocate)
        violate('L6', `${guest} is given up after ${used(before.record)} other hosts`);
      const isGone = LEFT_ALONE.has(record.state) || placement?.host !== old?.host;
      if (isGone && old !== undefined) leftAt.set(old.host, cluster.schedule.now());
      if (placement === undefined) return;
      const known = epochs.get(before.uid) ?? old?.epoch ?? 0;
      if (placement.epoch < known)
        violate('S6', `${guest} is placed with epoch ${placement.epoch} after ${known}`);
      epochs.set(before.uid, Math.max(known, placement.epoch));
      if (record.state !== 'Starting' || placement.epoch === old?.epoch) return;
      if (before.spec.state !== 'Started')
        violate('S10', `${guest} is started while it is to be ${before.spec.state}`);
      recoveredByProof(guest, before, reason);
      fits(guest, placement.host, before);
      joinsItsSet(guest, placement.host, before);
      if (!hasRoom(guest, placement.host, before))
        violate('S13', `${guest} is placed on ${placement.host}, which has promised its memory`);
    },
    agentBegan: (host) => sent.delete(host),
    moveBegan: (move, guest, from) => {
      const known = sent.get(from) ?? new Set();
      if (known.has(move)) violate('S9', `${guest} is sent by ${from} for ${move} twice`);
      sent.set(from, known.add(move));
    },
  };
}
