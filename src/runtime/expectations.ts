/**
 * What a controller knows of its own writes: the local copy lags behind the server, and a pass on the state from before a
 * write would do its work twice. A key is held back until the copy shows the write, without sleeping.
 */
import type { KubeObject, Stored } from '../api/meta.ts';

export type Expectations = {
  /** We wrote `written`: passes wait until the copy holds it or something newer. */
  wrote(key: string, written: Stored<KubeObject>): void;
  /** The server refused `stale` as too old: passes wait until the copy holds something newer. */
  refused(key: string, stale: Stored<KubeObject>): void;
  /** True when the copy is recent enough for a pass. Forgets what has come true or has waited too long. */
  met(key: string, seen: Stored<KubeObject>): boolean;
  /** True when `seen` is exactly what we wrote: no news. Asked once for each version seen. */
  isOwnEcho(key: string, seen: Stored<KubeObject>): boolean;
  forget(key: string): void;
};

/** A write that the copy never shows (a lost watch, a filtered selection) must not hold an object for ever. */
export const EXPECTATION_LIMIT_MS = 10_000;

type Expected = { uid: string; version: string; strictly: boolean; untilMs: number };

/** Versions of one kind on one server are whole numbers that grow; others can only be compared for equality. */
function isAtLeast(seen: string, expected: string): boolean {
  if (!/^\d+$/.test(seen) || !/^\d+$/.test(expected)) return true;
  return seen.length === expected.length ? seen >= expected : seen.length > expected.length;
}

function isNewEnough(seen: string, { version, strictly }: Expected): boolean {
  return seen === version ? !strictly : isAtLeast(seen, version);
}

/** Expectations of one controller. */
export function createExpectations(monotonic: () => number): Expectations {
  const expected = new Map<string, Expected>();
  const ownVersions = new Map<string, string[]>();
  const expect = (key: string, { metadata }: Stored<KubeObject>, strictly: boolean): void => {
    const untilMs = monotonic() + EXPECTATION_LIMIT_MS;
    expected.set(key, { uid: metadata.uid, version: metadata.resourceVersion, strictly, untilMs });
  };
  return {
    wrote: (key, written) => {
      ownVersions.set(key, [...(ownVersions.get(key) ?? []), written.metadata.resourceVersion]);
      expect(key, written, false);
    },
    refused: (key, stale) => expect(key, stale, true),
    met: (key, { metadata }) => {
      const wanted = expected.get(key);
      if (wanted === undefined) return true;
      const isLate = monotonic() >= wanted.untilMs;
      if (metadata.uid === wanted.uid && !isNewEnough(metadata.resourceVersion, wanted) && !isLate)
        return false;
      expected.delete(key);
      return true;
    },
    isOwnEcho: (key, { metadata: { resourceVersion } }) => {
      const own = ownVersions.get(key) ?? [];
      // A watch shows versions in order: what is older than this one will not come any more.
      const later = own.filter(
        (version) => version !== resourceVersion && !isAtLeast(resourceVersion, version),
      );
      if (later.length > 0) ownVersions.set(key, later);
      else ownVersions.delete(key);
      return own.includes(resourceVersion);
    },
    forget: (key) => {
      expected.delete(key);
      ownVersions.delete(key);
    },
  };
}
