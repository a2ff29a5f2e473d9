/** What would become of guests if hosts were lost now: the engine's own choice, on a view in which these hosts are no more and their guests recover. Pure. */
import type { GuestView, View } from './model.ts';
import { start } from './place.ts';
import { beginRound, type Objection } from './round.ts';

/** Where a guest of a lost host would be started, or why it would wait. */
export type Fate = { guest: string } & ({ to: string } | { reason: string });

/**
 * The guests that are to run on the `lost` hosts, in the order in which they would be started elsewhere: who comes first takes the room.
 * `objection` is asked as in a round; rules that only it knows are those of the guests as they are now.
 */
export function rehearse(view: View, lost: readonly string[], objection?: Objection): Fate[] {
  const hosts = new Map(view.hosts);
  for (const name of lost) hosts.delete(name);
  const guests = new Map(view.guests);
  const homeless: GuestView[] = [];
  for (const guest of view.guests.values()) {
    if (guest.wanted !== 'Started' || !lost.includes(guest.record.placement?.host ?? '')) continue;
    const { id, record } = guest;
    const { target: _, reason: __, ...kept } = record;
    const recovering: GuestView = { ...guest, record: { ...kept, state: 'Recovering' } };
    guests.set(id, recovering);
    homeless.push(recovering);
  }
  const round = beginRound({ ...view, hosts, guests }, undefined, objection);
  return homeless
    .sort((a, b) => b.priority - a.priority)
    .map((guest) => {
      const { record, reason = 'NoHost' } = start(guest, round, '', { stays: false }) ?? {};
      return record?.state === 'Starting' && record.placement !== undefined
        ? { guest: guest.id, to: record.placement.host }
        : { guest: guest.id, reason: reason.replace(/^NoHost: /, '') };
    });
}

/** Each way in which `count` of the hosts are lost at once, the first hosts first; no more than `most` of them. */
export function lossesOf(hosts: readonly string[], count: number, most: number): string[][] {
  const found: string[][] = [];
  const choose = (chosen: readonly string[], from: number): void => {
    if (found.length === most) return;
    if (chosen.length === count) {
      found.push([...chosen]);
      return;
    }
    for (let at = from; at < hosts.length; at += 1) choose([...chosen, hosts[at] ?? ''], at + 1);
  };
  choose([], 0);
  return found;
}
