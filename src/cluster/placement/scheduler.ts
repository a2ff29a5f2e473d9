/**
 * Asks hosts about guests. What a host says to a shape of guest is kept until the host's offer changes, so that ten thousand guests alike
 * cost one look at each host, and a changed host one look for each shape.
 */
import type { Host } from '../../api/kinds/host.ts';
import type { Stored } from '../../api/meta.ts';
import type { InformerChange } from '../../client/contract.ts';
import type { Guest } from '../guests.ts';
import { type Choice, choiceOf, type Verdict } from './choose.ts';
import { createColumns } from './columns.ts';
import { areBound, companyOf } from './company.ts';
import { FILTERS, type Filter, outsideGroup, type Promises } from './filters.ts';
import { groupWishOf } from './group.ts';
import type { Allocation, Ledger } from './ledger.ts';
import type { FindGroup } from './membership.ts';
import { type Bound, INDIFFERENT, type Standing } from './neighbours.ts';
import { fingerprint, NO_OVERCOMMIT, type Offer, offerOf } from './offer.ts';
import { rate } from './scores.ts';
import { type Shape, type Want, wantOf } from './want.ts';

/** What a caller adds to the filters: why this host is out of the question, to be read after its name. */
export type Objection = (host: Stored<Host>) => string | undefined;

export type Scheduler = {
  /** What the guest asks of a host now. */
  want(guest: Guest): Want;
  /** Takes in one change of a Host. */
  observe(change: InformerChange<Host>): void;
  /** The ClusterPolicy's factor on the memory of hosts is this from now on. */
  overcommit(factor: number): void;
  /**
   * What each host says to the guest, by name. `together`: those that would come with it, so that room is needed for all of them, and nobody of its
   * set binds it to where it is now; absent where it is asked about alone.
   */
  judge(guest: Guest, objection?: Objection, together?: readonly Guest[]): Verdict[];
  /** Other guests with a host that strict rules keep together with it, directly or by way of others. */
  bound(guest: Guest): readonly Bound[];
  /** The host that takes the guest, or why none does. */
  choose(guest: Guest): Choice;
  /** Whether this host would take the guest if nobody else did. */
  takes(host: string, want: Want): boolean;
  /** The strict rule that the guest breaks where it is; like other reasons it is read after the host's name. */
  breach(guest: Guest): string | undefined;
  /** How much of this want still fits on the host, in guests. */
  room(host: string, want: Want): number;
  /** Called when what a host offers has changed. */
  onChange(listener: (host: string) => void): () => void;
};

type Known = { host: Stored<Host>; offer: Offer; fingerprint: string; allocated: Readonly<Allocation> };
type Refusal = { filter: string; reason: string };
type Row = { known: Known; refusal: Refusal | undefined };
/** What hosts say to one shape; `rows` of all hosts by name and `open`, those that do not refuse it for good, until a host changes. */
type Answers = {
  byOffer: Map<Offer, Refusal | undefined>;
  rows: readonly Row[] | undefined;
  open: readonly Known[] | undefined;
};

/** Shapes whose answers are kept; guests that differ in every shape cost a look at each host each. */
const SHAPES = 256;

export function createScheduler(
  ledger: Pick<Ledger, 'allocated' | 'neighbours'>,
  { groupOf = () => undefined, filters = FILTERS }: { groupOf?: FindGroup; filters?: readonly Filter[] } = {},
): Scheduler {
  const want = (guest: Guest) => wantOf(guest, groupOf);
  const hosts = new Map<string, Known>();
  const shapes = new Map<string, Answers>();
  const listeners = new Set<(host: string) => void>();
  let sorted: readonly Known[] | undefined;
  let memoryOvercommit = NO_OVERCOMMIT;
  const columns = createColumns<Known>();
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
    const answers: Answers = { byOffer: new Map(), rows: undefined, open: undefined };
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
  const lastingRefusal = (offer: Offer, shape: Shape, { byOffer }: Answers): Refusal | undefined => {
    const known = byOffer.get(offer);
    if (known !== undefined || byOffer.has(offer)) return known;
    const answer = ask(offer, shape);
    byOffer.set(offer, answer);
    return answer;
  };
  const rowsFor = ({ shape, shapeKey }: Want): readonly Row[] => {
    const answers = answersFor(shapeKey);
    answers.rows ??= byName().map((known) => ({
      known,
      refusal: lastingRefusal(known.offer, shape, answers),
    }));
    return answers.rows;
  };
  const openTo = (want: Want): readonly Known[] => {
    const answers = answersFor(want.shapeKey);
    answers.open ??= rowsFor(want).flatMap(({ known, refusal }) => (refusal === undefined ? [known] : []));
    return answers.open;
  };
  const passingRefusal = (offer: Offer, want: Want, promises: Promises): Refusal | undefined => {
    for (const { name, refuse } of passing) {
      const reason = refuse(offer, want, promises);
      if (reason !== undefined) return { filter: name, reason };
    }
    return undefined;
  };
  const isOpen = (name: string) => hosts.get(name)?.offer.shut === undefined;
  const standingOf = (want: Want, without: readonly string[] = []) =>
    ledger.neighbours.standing(want.company, isOpen, without);
  /**
   * What is promised to others, by host: a place that is kept for the guest itself is its own, and those that come with it need one where they have
   * none.
   */
  const promisesTo = (wanted: Want, together: readonly Want[]) => {
    const placesOf = ({ company }: Want) => ledger.neighbours.placesOf(company.handles[0] ?? '');
    const own = placesOf(wanted).filter(({ isExpected }) => isExpected === true);
    const others = together.map((want) => ({ want, at: new Set(placesOf(want).map(({ host }) => host)) }));
    return (host: string): Readonly<Allocation> => {
      const known = ledger.allocated(host);
      if (own.length + others.length === 0) return known;
      const sum = { ...known };
      const add = (sign: 1 | -1, { cpus, memoryBytes }: Pick<Want, 'cpus' | 'memoryBytes'>) => {
        sum.cpus += sign * cpus;
        sum.memoryBytes += sign * memoryBytes;
      };
      for (const place of own) if (place.host === host) add(-1, place);
      for (const { want, at } of others) if (!at.has(host)) add(1, want);
      return sum;
    };
  };

  const replace = (name: string, known: Known | undefined): void => {
    const old = hosts.get(name);
    for (const answers of shapes.values()) {
      if (old !== undefined) answers.byOffer.delete(old.offer);
      answers.rows = undefined;
      answers.open = undefined;
    }
    if (known === undefined) hosts.delete(name);
    else hosts.set(name, known);
    sorted = undefined;
    for (const listener of listeners) listener(name);
  };

  const take = (key: string, host: Stored<Host>): void => {
    const known = hosts.get(key);
    const offer = offerOf(host, memoryOvercommit);
    const text = fingerprint(offer);
    if (known?.fingerprint !== text)
      replace(key, { host, offer, fingerprint: text, allocated: ledger.allocated(key) });
    else known.host = host;
  };

  const bound = (guest: Guest) => ledger.neighbours.bound(companyOf(guest, groupOf(guest)));
  const judge = (guest: Guest, objection?: Objection, together?: readonly Guest[]): Verdict[] => {
    const wanted = want(guest);
    const standing = standingOf(wanted, together === undefined ? [] : bound(guest).map(({ key }) => key));
    const others = (together ?? []).map(want);
    const promised = promisesTo(wanted, others);
    const rival = others.find(({ company }) => areBound('ApartRequired', wanted.company, company));
    const torn =
      rival && `cannot take both it and ${rival.company.handles[0]}: rules keep them together and apart`;
    return rowsFor(wanted).map(({ known: { host, offer }, refusal: lastingOne }) => {
      const allocated = promised(offer.name);
      const promises = { allocated, standing };
      const objected = torn ?? objection?.(host);
      const refusal =
        objected === undefined
          ? (lastingOne ?? passingRefusal(offer, wanted, promises))
          : { filter: 'Caller', reason: objected };
      if (refusal !== undefined) return { host: offer.name, fits: false, ...refusal };
      return { host: offer.name, fits: true, score: rate(offer, wanted, promises), guests: allocated.guests };
    });
  };
  /** The way taken ten thousand times: no verdict is written down that nobody reads. */
  const fittest = (guest: Guest): string | undefined => {
    const wanted = want(guest);
    const standing = standingOf(wanted);
    const best = columns.best(columnKey(wanted, standing), openTo(wanted), ({ offer, allocated }) => {
      const promises = { allocated, standing };
      return passingRefusal(offer, wanted, promises) === undefined ? rate(offer, wanted, promises) : -1;
    });
    return best?.offer.name;
  };

  return {
    want,
    observe: ({ key, after }) => {
      if (after !== undefined) take(key, after);
      else if (hosts.has(key)) replace(key, undefined);
    },
    overcommit: (factor) => {
      if (factor === memoryOvercommit) return;
      memoryOvercommit = factor;
      for (const [key, { host }] of [...hosts]) take(key, host);
    },
    judge,
    bound,
    choose: (guest) => {
      const host = fittest(guest);
      return host === undefined ? choiceOf(judge(guest), guest.spec.placement?.host) : { host };
    },
    takes: (name, want) => {
      const offer = hosts.get(name)?.offer;
      if (offer === undefined) return false;
      if (lastingRefusal(offer, want.shape, answersFor(want.shapeKey)) !== undefined) return false;
      const promises = { allocated: promisesTo(want, [])(name), standing: standingOf(want) };
      return passingRefusal(offer, want, promises) === undefined;
    },
    breach: (guest) => {
      const group = groupOf(guest);
      const { bound } = groupWishOf(group);
      const company = companyOf(guest, group);
      const at = guest.status?.placement?.host ?? '';
      if (!hosts.has(at)) return undefined;
      const outside = outsideGroup(at, bound);
      if (outside !== undefined || !ledger.neighbours.isMeant(company)) return outside;
      return ledger.neighbours.refusal(company, at, isOpen);
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

/** Equal for guests that every host rates alike; undefined of a guest that its neighbours or its HAGroup make unlike others. */
function columnKey({ shapeKey, cpus, memoryBytes, images, at, preference }: Want, standing: Standing) {
  if (standing !== INDIFFERENT || preference.size > 0) return undefined;
  return JSON.stringify([shapeKey, cpus, memoryBytes, images, at]);
}
