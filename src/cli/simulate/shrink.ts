/**
 * Makes a story that fails smaller, as long as it fails in the same way: fewer events, guests, rules and hosts. What happens last stays: a random
 * story ends with everything repaired, and without that whoever waits for ever is no mistake.
 */
import type { ScenarioFile } from './scenario.ts';

/** `fails` runs a candidate and says whether it still shows the fault. The result cannot lose one more part without losing the fault. */
export function shrink(file: ScenarioFile, fails: (candidate: ScenarioFile) => boolean): ScenarioFile {
  let smallest = file;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of candidates(smallest)) {
      if (!fails(candidate)) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

function* candidates(file: ScenarioFile): Generator<ScenarioFile> {
  const timeline = file.timeline ?? [];
  const last = timeline.at(-1)?.at;
  const faults = timeline.findIndex(({ at }) => at === last);
  for (let size = Math.max(1, faults >> 1); size >= 1; size >>= 1)
    for (let from = 0; from + size <= faults; from += size)
      yield { ...file, timeline: [...timeline.slice(0, from), ...timeline.slice(from + size)] };
  for (const gone of file.guests ?? []) {
    const guests = (file.guests ?? []).filter((guest) => guest !== gone);
    yield {
      ...file,
      guests,
      rules: (file.rules ?? []).filter(({ guests: named }) => !named.includes(gone.name)),
      timeline: timeline.filter(({ guest }) => guest !== gone.name),
    };
  }
  if ((file.rules ?? []).length > 0) yield { ...file, rules: [] };
  if ((file.groups ?? []).length > 0)
    yield { ...file, groups: [], guests: (file.guests ?? []).map(({ group: _group, ...guest }) => guest) };
  for (const gone of file.hosts) {
    const isUsed = (file.guests ?? []).some(({ host }) => host === gone.name);
    if (isUsed || file.hosts.length < 2) continue;
    const names = ({ host, manager, to, from }: (typeof timeline)[number]) => [host, manager, to, from];
    yield {
      ...file,
      hosts: file.hosts.filter((host) => host !== gone),
      groups: (file.groups ?? []).map((group) => ({
        ...group,
        hosts: (group.hosts ?? []).filter(({ name }) => name !== gone.name),
      })),
      timeline: timeline.filter((entry) => !names(entry).includes(gone.name)),
    };
  }
}
