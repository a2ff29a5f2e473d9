/** Which guests are bound to which by strict rules, found by the names and labels that rules go by: nobody is compared with everybody. Pure. */
import type { StoredGuest } from '../guests.ts';
import type { Rule } from '../ha/model.ts';
import { areBound, type Company, companyOf } from '../placement/company.ts';
import type { FindGroup } from '../placement/membership.ts';
import { guestId } from './guestViews.ts';

/** Another guest, and what a rule of either of the two says of both. */
export type Bound = { other: StoredGuest; isApart: boolean; isTogether: boolean };

export type Bonds = { of(guest: StoredGuest): readonly Bound[] };

type Party = { guest: StoredGuest; company: Company };

/** Of all guests given, by id; `groupOf` finds the groups whose rules count. */
export function indexBonds(guests: ReadonlyMap<string, StoredGuest>, groupOf: FindGroup): Bonds {
  const named = new Map<string, Party[]>();
  const naming = new Map<string, Party[]>();
  const parties = [...guests.values()].map((guest) => ({ guest, company: companyOf(guest, groupOf(guest)) }));
  for (const party of parties)
    for (const { selector } of strict(party.company)) put(naming, selector.handle, party);
  for (const party of parties)
    for (const handle of party.company.handles) if (naming.has(handle)) put(named, handle, party);
  return {
    of: (guest) => {
      const company = companyOf(guest, groupOf(guest));
      const near = new Set([
        ...strict(company).flatMap(({ selector }) => named.get(selector.handle) ?? []),
        ...company.handles.flatMap((handle) => naming.get(handle) ?? []),
      ]);
      return [...near].flatMap((party) => {
        if (party.guest === guest) return [];
        const isApart = areBound('ApartRequired', company, party.company);
        const isTogether = areBound('TogetherRequired', company, party.company);
        return isApart || isTogether ? [{ other: party.guest, isApart, isTogether }] : [];
      });
    },
  };
}

/** Those of them that must not be on one host, two by two, as the engine's rules. */
export function rulesApart(guests: readonly StoredGuest[], bonds: Bonds): Rule[] {
  return guests.flatMap((guest) => {
    const id = guestId(guest);
    return bonds
      .of(guest)
      .filter(({ isApart }) => isApart)
      .map(({ other }) => guestId(other))
      .map(
        (name) => ({ name: `${id}/${name}`, type: 'KeepApart', strict: true, guests: [id, name] }) as const,
      );
  });
}

function put(parties: Map<string, Party[]>, handle: string, party: Party): void {
  const known = parties.get(handle);
  if (known === undefined) parties.set(handle, [party]);
  else known.push(party);
}

function strict({ rules }: Company): Company['rules'] {
  return rules.filter(({ bond }) => bond.endsWith('Required'));
}
