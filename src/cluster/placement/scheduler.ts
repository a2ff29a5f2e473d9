/**
 * Asks hosts about guests. What a host says to a shape of guest is kept until the host's offer changes, so that ten thousand guests alike
 * cost one look at each host, and a changed host one look for each shape.
 */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import type { Guest } from '../guests.ts';
import { type Choice, choiceOf, type Verdict } from './choose.ts';
import { FILTERS, type Filter, type Promises } from './filters.ts';
import type { Ledger } from './ledger.ts';
import { fingerprint, type Offer, offerOf } from './offer.ts';
import { rate } from './scores.ts';
import { type Shape, type Want, wantOf } from './want.ts';

/** What a caller adds to the filters: why this host is out of the question, to be read after its name. */
export type Objection = (host: Stored<Host>) => string | undefined;

export type Scheduler = {
  /** Takes in one change of a Host. */
  observe(change: InformerChange<Host>): void;
  /** What each host says to the guest, by name. */
  judge(guest: Guest, objection?: Objection): Verdict[];
  /** The host that takes the guest, or why none does. */
  choose(guest: Guest, objection?: Objection): Choice;
  /** Whether this host would take the guest if nobody else did. */
  takes(host: string, want: Want): boolean;
  /** How much of this want still fits on the host, in guests. */
  room(host: string, want: Want): number;
  /** Called when what a host offers has changed. */
  onChange(listener: (host: string) => void): () => void;
};

type Known = { host: Stored<Host>; offer: Offer; fingerprint: string };
type Refusal = { filter: string; reason: string };
type Answers = Map<Offer, Refusal | undefined>;

/** Shapes whose answers are kept; guests that differ in every shape cost a look at each host each. */
const SHAPES = 256;

export function createScheduler(
  ledger: Pick<Ledger, 'allocated' | 'neighbours'>,
  filters: readonly Filter[] = FILTERS,
): Scheduler {
  const hosts = new Map<string, Known>();
  const shapes = new Map<string, Answers>();
  const listeners = new Set<(host: string) => void>();
  let sorted: readonly Known[] | undefined;
  const lasting = filters.flatMap((filter) => (filter.sees === 'Host' ? [filter] : []));
  const passing = filters.flatMap((filter) => (filter.sees === 'Promises' ? [filter] : []));

  const byName = (): readonly Known[] => {
    sorted ??= [...hosts.values()].sort((a, b) => (a.offer.name < b.offer.name ? -1 : 1));
    return sorted;
  };
  const answersFor = (shapeKey: string): Answers => {
    const known = shapes.get(shapeKey);
    if (known !== undefined) return known;
    const oldest = shapes.size < SHAPES ? undefined : shapes.keys().next().value;
    if (oldest !== undefined) shapes.delete(oldest);
    const answers: Answers = new Map();
    shapes.set(shapeKey, answers);
    return answers;
  };
  const ask = (offer: Offer, shape: Shape): Refusal | undefined => {
    for (const { name, refuse } of lasting) {
      const reason = refuse(offer, shape);
      if (reason !== undefined) return { filter: name, reason };
    }
    return undefined;
  };
  const lastingRefusal = (offer: Offer, shape: Shape, answers: Answers): Refusal | undefined => {
    if (answers.has(offer)) return answers.get(offer);
    const answer = ask(offer, shape);
    answers.set(offer, answer);
    return answer;
  };
  const passingRefusal = (offer: Offer, want: Want, promises: Promises): Refusal | undefined => {
    for (const { name, refuse } of passing) {
      const reason = refuse(offer, want, promises);
      if (reason !== undefined) return { filter: name, reason };
    }
    return undefined;
  };
  const standingOf = (want: Want) =>
    ledger.neighbours.standing(want.company, (name) => hosts.get(name)?.offer.shut === undefined);

  const replace = (name: string, known: Known | undefined): void => {
    const old = hosts.get(name);
    if (old !== undefined) for (const answers of shapes.values()) answers.delete(old.offer);
    if (known === undefined) hosts.delete(name);
    else hosts.set(name, known);
    sorted = undefined;
    for (const listener of listeners) listener(name);
  };

  const judge = (guest: Guest, objection?: Objection): Verdict[] => {
    const want = wantOf(guest);
    const answers = answersFor(want.shapeKey);
    const standing = standingOf(want);
    return byName().map(({ host, offer }) => {
      const allocated = ledger.allocated(offer.name);
      const promises = { allocated, standing };
      const objected = objection?.(host);
      const refusal =
        objected === undefined
          ? (lastingRefusal(offer, want.shape, answers) ?? passingRefusal(offer, want, promises))
          : { filter: 'Caller', reason: objected };
      if (refusal !== undefined) return { host: offer.name, fits: false, ...refusal };
      return { host: offer.name, fits: true, score: rate(offer, want, promises), guests: allocated.guests };
    });
  };

  return {
    observe: ({ key, after }) => {
      const known = hosts.get(key);
      if (after === undefined) {
        if (known !== undefined) replace(key, undefined);
        return;
      }
      const offer = offerOf(after);
      const text = fingerprint(offer);
      if (known?.fingerprint !== text) replace(key, { host: after, offer, fingerprint: text });
      else known.host = after;
    },
    judge,
    choose: (guest, objection) => choiceOf(judge(guest, objection), guest.spec.placement?.host),
    takes: (name, want) => {
      const offer = hosts.get(name)?.offer;
      if (offer === undefined) return false;
      if (lastingRefusal(offer, want.shape, answersFor(want.shapeKey)) !== undefined) return false;
      const promises = { allocated: ledger.allocated(name), standing: standingOf(want) };
      return passingRefusal(offer, want, promises) === undefined;
    },
    room: (name, want) => {
      const offer = hosts.get(name)?.offer;
      const allocated = ledger.allocated(name);
      const share = (total: number, taken: number, each: number) =>
        each === 0 ? Number.POSITIVE_INFINITY : Math.max(0, Math.floor((total - taken) / each));
      return offer === undefined
        ? 0
        : Math.min(
            share(offer.memoryBytes, allocated.memoryBytes, want.memoryBytes),
            share(offer.cpus, allocated.cpus, want.cpus),
          );
    },
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
