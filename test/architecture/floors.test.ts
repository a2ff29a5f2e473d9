import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

/** Rooms and what each may import: floors below, never a neighbour, never up. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  schema: ['base'],
  api: ['base', 'schema'],
  store: ['base'],
  client: ['base', 'api'],
  drivers: ['base'],
  apiserver: ['base', 'schema', 'store'],
  runtime: ['base', 'api', 'client'],
  keeper: ['base', 'api'],
  cluster: ['base', 'api', 'client', 'runtime', 'keeper'],
  agent: ['base', 'api', 'client', 'runtime', 'keeper', 'drivers'],
  cli: ['base', 'schema', 'api', 'client', 'keeper', 'cluster'],
  main: [
    'base',
    'schema',
    'api',
    'store',
    'client',
    'drivers',
    'apiserver',
    'runtime',
    'keeper',
    'cluster',
    'agent',
    'cli',
  ],
};

/** Calls that belong to one room only, with what to use instead. */
const BANNED: readonly { pattern: RegExp; allowed: readonly string[]; instead: string }[] = [
  { pattern: /\bprocess\.(argv|env)\b/, allowed: ['main'], instead: 'an option that main passes in' },
  { pattern: /\bDate\.now\(\)|\bnew Date\(\)/, allowed: ['main'], instead: 'the Clock port' },
  { pattern: /\bMath\.random\(\)/, allowed: ['main'], instead: 'the Random port' },
  {
    pattern: /\b(execSync|spawnSync|execFileSync)\(/,
    allowed: [],
    instead: 'the Processes port with an argv array',
  },
  { pattern: /\bshell:\s*true/, allowed: [], instead: 'an argv array' },
  { pattern: /slice\(0, 19\)\}Z/, allowed: ['base'], instead: 'timeOf of base/clock.ts' },
];

const src = resolve(import.meta.dirname, '../../src');
const files = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
  .map((entry) => relative(src, join(entry.parentPath, entry.name)));

function roomOf(path: string): string {
  return path.split('/')[0] ?? '';
}

function importsOf(path: string): string[] {
  const text = readFileSync(join(src, path), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'(\.{1,2}\/[^']+)'/g)].map((match) =>
    relative(src, resolve(src, dirname(path), match[1] ?? '')),
  );
}

describe('the floors of the house', () => {
  it('has files to look at', () => {
    expect(files.length).toBeGreaterThan(100);
  });

  it.each(Object.keys(ROOMS))('%s imports only from the floors below it', (room) => {
    const wrong = files
      .filter((path) => roomOf(path) === room)
      .flatMap((path) => importsOf(path).map((target) => ({ path, target })))
      .filter(({ target }) => roomOf(target) !== room && !ROOMS[room]?.includes(roomOf(target)))
      .map(({ path, target }) => `${path} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it('has no room that is not on the plan', () => {
    expect([...new Set(files.map(roomOf))].filter((room) => !(room in ROOMS))).toEqual([]);
  });

  it('lets the agent see drivers through their contracts only', () => {
    const wrong = files
      .filter((path) => roomOf(path) === 'agent')
      .flatMap((path) => importsOf(path).map((target) => ({ path, target })))
      .filter(({ target }) => roomOf(target) === 'drivers' && !target.endsWith('/contract.ts'))
      .map(({ path, target }) => `${path} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it('lets commands see of the cluster only the HA engine, and only in the simulator', () => {
    const wrong = files
      .filter((path) => roomOf(path) === 'cli')
      .flatMap((path) => importsOf(path).map((target) => ({ path, target })))
      .filter(
        ({ path, target }) =>
          (roomOf(target) === 'cluster' || roomOf(target) === 'keeper') &&
          !(path.startsWith('cli/simulate/') && /^(cluster\/ha|keeper)\//.test(target)),
      )
      .map(({ path, target }) => `${path} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it('keeps drivers apart from one another, but for contracts, control groups and copying between hosts', () => {
    const family = (path: string) => path.split('/').slice(0, 3).join('/');
    const shared = (target: string) =>
      target.endsWith('contract.ts') ||
      target.startsWith('drivers/cgroup/') ||
      target.startsWith('drivers/storage/copying/') ||
      target.split('/').length === 3;
    const wrong = files
      .filter((path) => roomOf(path) === 'drivers')
      .flatMap((path) => importsOf(path).map((target) => ({ path, target })))
      .filter(
        ({ path, target }) =>
          roomOf(target) === 'drivers' && family(path) !== family(target) && !shared(target),
      )
      .map(({ path, target }) => `${path} imports ${target}`);
    expect(wrong).toEqual([]);
  });

  it("keeps cluster controllers and the API server free of each other's world", () => {
    const text = files
      .filter((path) => roomOf(path) === 'apiserver')
      .map((path) => [path, readFileSync(join(src, path), 'utf8')]);
    expect(
      text.filter(([, body]) => /vireo\.dev|VirtualMachine/.test(body ?? '')).map(([path]) => path),
    ).toEqual([]);
  });

  it.each(BANNED)('$instead instead of $pattern', ({ pattern, allowed }) => {
    const wrong = files
      .filter((path) => !allowed.includes(roomOf(path)))
      .filter((path) =>
        readFileSync(join(src, path), 'utf8')
          .split('\n')
          .some((line) => !/^\s*(\/\/|\*|\/\*)/.test(line) && pattern.test(line)),
      );
    expect(wrong).toEqual([]);
  });

  it('has no dump rooms', () => {
    expect(files.filter((path) => /(^|\/)(utils?|helpers?|common|misc)(\/|\.ts$)/.test(path))).toEqual([]);
  });

  it('has no file that is a monster', () => {
    const long = files.filter((path) => readFileSync(join(src, path), 'utf8').split('\n').length > 330);
    expect(long).toEqual([]);
  });
});
