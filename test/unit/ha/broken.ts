/** Engines, keepers, managers and agents with one check taken out or one fact hidden, and the invariant that must notice each. */
import type { Flaw } from '../../../src/cli/simulate/cluster.ts';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import type { ScenarioFile } from '../../../src/cli/simulate/scenario.ts';
import type { Decision, GuestReport, GuestView, HostView, View } from '../../../src/cluster/ha/model.ts';

/** `notices`: the invariant, or the first letter of any that will do. `seed`: the first of twenty random stories of which one shows it; a `story` where the first thousand show it, and no twenty need be tried. */
export type Broken = {
  what: string;
  flaw: Flaw;
  notices: string;
  seed: number;
  story?: string;
  /** One of the thousand must show it: a check on which at most one instance rests. */
  byChance?: true;
};

/** Whether the story breaks such an invariant with this part broken. */
export function shows(notices: string, story: ScenarioFile, seed: number, flaw: Flaw): boolean {
  const { violations } = runScenario(story, { name: '', seed, flaw, endsSettled: true });
  return violations.some(({ invariant }) => invariant.startsWith(notices));
}

/** The engine as it is, shown other guests, or hosts, than there are. */
const seesGuests = (change: (guest: GuestView) => GuestView): Flaw => ({
  sees: (view) => ({ ...view, guests: mapped(view.guests, change) }),
});
const seesHosts = (change: (host: HostView) => HostView): Flaw => ({
  sees: (view) => ({ ...view, hosts: mapped(view.hosts, change) }),
});
const seesReports = (change: (report: GuestReport) => GuestReport): Flaw =>
  seesHosts((host) => ({ ...host, reported: mapped(host.reported, change) }));

function mapped<T>(map: ReadonlyMap<string, T>, change: (value: T) => T): Map<string, T> {
  return new Map([...map].map(([key, value]) => [key, change(value)]));
}

/** Whoever is at the head of each group changes every ten seconds. */
function turned(view: View): View {
  const sign = Math.floor(view.now / 10_000) % 2 === 0 ? 1 : -1;
  const groups = mapped(view.groups, (group) => ({
    ...group,
    hosts: group.hosts.map(({ name, priority }) => ({ name, priority: sign * priority })),
  }));
  return { ...view, groups };
}

const isEvacuation = (decision: Decision): boolean =>
  decision.type === 'Guest' && decision.record.move?.why === 'Maintenance';

export const BROKEN: readonly Broken[] = [
  { what: 'recovery without a proof', flaw: { engine: 'NoProof' }, notices: 'S1', seed: 1, byChance: true },
  {
    what: 'agents that do not check the epoch',
    flaw: { agent: 'EpochUnchecked' },
    notices: 'S',
    seed: 1,
    byChance: true,
    story: 'deletion/made-anew-while-the-first-is-starting.yaml',
  },
  {
    what: 'a manager that acts without a majority',
    flaw: { engine: 'NoQuorum' },
    notices: 'S4',
    seed: 1,
    byChance: true,
  },
  {
    what: 'a wait that is not bound to one majority',
    flaw: { engine: 'WaitWithoutQuorum' },
    notices: 'S',
    seed: 1,
    byChance: true,
    story: 'managers/cut-off-as-the-api-comes-back.yaml',
  },
  {
    what: 'keepers that excuse at any age',
    flaw: { keeper: 'ExcuseAgeIgnored' },
    notices: 'S',
    seed: 31,
    byChance: true,
  },
  {
    what: 'a wait by the times of the policy',
    flaw: { engine: 'TimingsOfPolicy' },
    notices: 'S',
    seed: 1,
    byChance: true,
    story: 'fencing/policy-shortens-times-after-the-cut.yaml',
  },
  {
    what: 'a self-fence taken as proof for guests it does not list',
    flaw: { engine: 'GuardedListIgnored' },
    notices: 'S',
    seed: 1,
    byChance: true,
    story: 'fencing/let-go-and-wanted-again-while-cut-off.yaml',
  },
  {
    what: 'a command of a person that is taken again and again',
    flaw: seesGuests(({ record: { command: _command, ...record }, ...guest }) => ({ ...guest, record })),
    notices: 'S9',
    seed: 2,
  },
  { what: 'a source that sends its guest twice', flaw: { agent: 'MovesTwice' }, notices: 'S9', seed: 1 },
  {
    what: 'writes that do not compare before they swap',
    flaw: { manager: 'VersionUnchecked' },
    notices: 'S12',
    seed: 1,
    story: 'managers/leader-sees-what-was.yaml',
  },
  {
    what: 'a job on the volumes of a guest that nobody counts',
    flaw: { engine: 'JobsUncounted' },
    notices: 'S15',
    seed: 1,
  },
  {
    what: 'a guest that can still write somewhere and counts as revoked',
    flaw: { engine: 'PartlyRevoked' },
    notices: 'S',
    seed: 1,
    story: 'storage/revoked-is-enough-where-that-was-said.yaml',
  },
  {
    what: 'storage that counts as revoked before it has said so',
    flaw: { engine: 'RevokedUnacknowledged' },
    notices: 'S',
    seed: 1,
    byChance: true,
    story: 'storage/the-first-who-is-asked-to-revoke-cannot.yaml',
  },
  {
    what: 'revoked storage taken for the end of what runs',
    flaw: { engine: 'RevokedIsDead' },
    notices: 'S',
    seed: 1,
    story: 'storage/revoked-says-nothing-of-one-that-was-let-go.yaml',
  },
  {
    what: 'storage that is given back before the next boot',
    flaw: { agent: 'LiftsInAnyBoot' },
    notices: 'S',
    seed: 1,
    story: 'storage/revoked-is-enough-where-that-was-said.yaml',
  },
  {
    what: 'a manager that goes by a restored API at once',
    flaw: { manager: 'RestoreUnnoticed' },
    notices: 'S16',
    seed: 1,
    story: 'managers/restored-from-an-older-copy.yaml',
  },
  { what: 'a manager that looks too rarely', flaw: { manager: 'LooksRarely' }, notices: 'L2', seed: 53 },
  {
    what: 'guests that keep together and are told apart',
    flaw: {
      sees: (view) => ({ ...view, rules: view.rules.filter(({ type }) => type !== 'KeepTogether') }),
    },
    notices: 'S8',
    seed: 1,
    story: 'rules/together-comes-to-where-the-other-is-recovered.yaml',
  },
  { what: 'preferences that change by themselves', flaw: { sees: turned }, notices: 'L3', seed: 1 },
  {
    what: 'fences that stop at the first level',
    flaw: seesHosts((host) => ({ ...host, fencing: host.fencing.slice(0, 1) })),
    notices: 'L4',
    seed: 1,
    story: 'fencing/second-level-when-the-first-fails.yaml',
  },
  {
    what: 'guests that stay frozen',
    flaw: {
      sees: (view) => ({
        ...view,
        since: (what, holds) => (what.startsWith('frozen/') ? 0 : view.since(what, holds)),
      }),
    },
    notices: 'L5',
    seed: 1,
    story: 'hosts/restarts-and-takes-too-long.yaml',
  },
  {
    what: 'hosts in maintenance that nobody leaves',
    flaw: { says: (decisions) => decisions.filter((decision) => !isEvacuation(decision)) },
    notices: 'L5',
    seed: 16,
  },
  {
    what: 'a start tried where it has failed',
    flaw: seesGuests(({ record: { tried: _tried, ...record }, ...guest }) => ({ ...guest, record })),
    notices: 'L6',
    seed: 1,
    story: 'starts/every-host-is-tried-before-error.yaml',
  },
  {
    what: 'moves whose failure nobody hears of',
    flaw: seesReports(({ moveFailed: _failed, ...report }) => report),
    notices: 'L7',
    seed: 1,
  },
];
