/**
 * `npm run bench -- apiserver [PART...] [--against KUBECONFIG [--command LINE]] [--objects N]`: the same load on our API server and on another,
 * which a shell starts by LINE where its memory and start-up time are to be known too. The definition of VirtualMachine is put there and
 * taken away. Parts are `writes`, `reads`, `watches`, `mixed` and `scale`, which alone makes N objects; all without a name.
 */
import { openConnection } from './apiserver/client.ts';
import {
  type Act,
  create,
  lists,
  listTimes,
  patchStatus,
  percentile,
  rate,
  update,
} from './apiserver/loads.ts';
import { cleanUp, prepare } from './apiserver/machines.ts';
import { mixed } from './apiserver/mixture.ts';
import { readAllPages, startAnew } from './apiserver/scale.ts';
import { type Server, startOurs, useOther } from './apiserver/servers.ts';
import { followChanges } from './apiserver/watchers.ts';
import { type Figure, flushMeter, median, stealMeter } from './measure.ts';

/** What is known of one figure before there is something to compare it with. */
type Measured = Omit<Figure, 'ours' | 'against'> & { value: number; twice?: 'rate' | 'quarter' };

const some = 10_000;
const many = 100_000;
/** Made before anything is measured. */
const warmUps = 500;

/** What can be measured alone. */
const allParts = ['writes', 'reads', 'watches', 'mixed', 'scale'] as const;
type Part = (typeof allParts)[number];

export type ApiserverBench = {
  against?: string;
  command?: string;
  objects?: number;
  /** Names of parts; none are all. */
  parts?: readonly string[];
};

const mixedRounds = 4;
const mixedSeconds = 6;

/** Measures ours, and the other one beside it. */
export async function benchApiserver(options: ApiserverBench): Promise<Figure[]> {
  const { against, command, objects = many } = options;
  const named = allParts.filter((part) => options.parts?.includes(part));
  const parts = new Set(named.length > 0 ? named : allParts);
  const ours = await measured(await startOurs(), objects, parts);
  const theirs =
    against === undefined ? [] : await measured(await useOther(against, command), objects, parts);
  return ours.map(({ value, twice, ...figure }) => {
    const other = theirs.find(({ name }) => name === figure.name);
    if (other === undefined) return { ...figure, ours: value };
    const aims =
      twice === 'rate' ? { least: 2 * other.value } : twice === 'quarter' ? { aim: other.value / 4 } : {};
    return { ...figure, ours: value, against: { name: 'other', value: other.value }, ...aims };
  });
}

async function measured(server: Server, objects: number, parts: ReadonlySet<Part>): Promise<Measured[]> {
  try {
    const admin = await openConnection(server.target);
    await prepare(admin);
    try {
      return await measure(server, objects, parts);
    } finally {
      admin.close();
      const last = await openConnection(server.target);
      await cleanUp(last);
      last.close();
    }
  } finally {
    await server.close();
  }
}

async function measure(server: Server, objects: number, parts: ReadonlySet<Part>): Promise<Measured[]> {
  const has = (part: Part) => parts.has(part);
  if (parts.size === 1 && has('scale')) return scale(server, 0, objects);
  // The first requests compile what the others use.
  await rate(server.target, create, { clients: 8, first: 2 * many, count: warmUps });
  const figures = await writes(server);
  return [
    ...(has('writes') ? figures : []),
    ...(has('reads') ? await reads(server) : []),
    ...(has('watches') ? await watches(server) : []),
    ...(has('mixed') ? await steady(server) : []),
    ...(await memory(server, '10,000 objects')),
    ...(has('scale') && objects > some ? await scale(server, some, objects) : []),
  ];
}

async function writes(server: Server): Promise<Measured[]> {
  const load = async (what: string, act: Act, how: { clients: number; first?: number; count: number }) => {
    const before = await server.cpu();
    const value = await rate(server.target, act, how);
    const after = await server.cpu();
    const name = `${what}, ${how.clients} ${how.clients === 1 ? 'client' : 'clients'}`;
    const figure: Measured = { name, value, unit: '/s', twice: 'rate' };
    if (before === undefined || after === undefined) return [figure];
    return [
      figure,
      {
        name: `  CPU of each (${what}, ${how.clients})`,
        value: ((after - before) * 1000) / how.count,
        unit: 'ms',
      },
    ];
  };
  // One client comes after the many: the first thousands of requests are those in which a server of ours is compiled.
  return [
    ...(await load('durable creates of 2 KB', create, { clients: 32, first: 1_000, count: some - 1_000 })),
    ...(await load('durable creates of 2 KB', create, { clients: 1, count: 1_000 })),
    ...(await load('merge patches of status', patchStatus, { clients: 32, count: some })),
    ...(await load('reads with an update after each', update, { clients: 32, count: 5_000 })),
  ];
}

async function reads({ target }: Server): Promise<Measured[]> {
  const figures: Measured[] = [];
  for (const [what, query] of Object.entries(lists)) {
    const { times, items } = await listTimes(target, query, 9);
    figures.push({ name: `list of ${items} machines: ${what}`, value: median(times), unit: 'ms' });
  }
  return figures;
}

async function watches({ target }: Server): Promise<Measured[]> {
  const figures: Measured[] = [];
  for (const [of, changesPerSecond] of [
    ['one host', 100],
    ['everything', 10],
    ['everything', 100],
  ] as const) {
    const options = { of, changesPerSecond, seconds: 5, objects: some };
    const { delays, missing } = await followChanges(target, options);
    const name = `1,000 watchers of ${of}, ${changesPerSecond} changes/s`;
    if (missing > 0) figures.push({ name: `${name}: never heard`, value: missing, unit: '' });
    for (const share of [0.5, 0.99]) {
      const value = percentile(delays, share);
      figures.push({ name: `${name}, p${share * 100}`, value, unit: 'ms' });
    }
  }
  return figures;
}

/**
 * In rounds, beside each how much of the processors' time the hypervisor kept for others and how long the disk took for durable writes
 * meanwhile: a round that was robbed, or whose disk others kept busy, tells little.
 */
async function steady({ target }: Server): Promise<Measured[]> {
  const figures: Measured[] = [];
  const tails: number[] = [];
  const name = 'writes among 100/s of all kinds';
  for (let round = 1; round <= mixedRounds; round += 1) {
    const stolen = await stealMeter();
    const flushes = await flushMeter();
    const { delays, failures } = await mixed(target, mixedSeconds, some);
    for (const [what, value] of failures)
      figures.push({ name: `100/s of all kinds, failed: ${what} in round ${round}`, value, unit: '' });
    tails.push(percentile(delays, 0.99));
    figures.push(
      { name: `${name}, round ${round}, p50`, value: percentile(delays, 0.5), unit: 'ms' },
      { name: `${name}, round ${round}, p99`, value: percentile(delays, 0.99), unit: 'ms' },
      { name: `  stolen by the hypervisor in round ${round}`, value: (await stolen()) * 100, unit: '%' },
      {
        name: `  durable writes to the disk in round ${round}, p99`,
        value: percentile(await flushes(), 0.99),
        unit: 'ms',
      },
    );
  }
  return [...figures, { name: `${name}, p99, median of rounds`, value: median(tails), unit: 'ms', aim: 15 }];
}

/** From `present` objects up to `objects`, all of them listed, and a start with them. */
async function scale(server: Server, present: number, objects: number): Promise<Measured[]> {
  const { target } = server;
  const count = objects.toLocaleString('en-US');
  const made = await rate(target, create, { clients: 32, first: present, count: objects - present });
  const expected = objects + (present > 0 ? warmUps : 0);
  const figures: Measured[] = [
    { name: `durable creates up to ${count} objects, 32 clients`, value: made, unit: '/s', twice: 'rate' },
    ...(await memory(server, `${count} objects`)),
    { name: `list of ${count} in pages`, value: await readAllPages(target, expected), unit: 's' },
    ...(await memory(server, `${count} objects, listed`)),
  ];
  const start = await startAnew(server);
  if (start === undefined) return figures;
  return [
    ...figures,
    { name: `start-up with ${count} objects`, value: start.seconds, unit: 's', twice: 'quarter' },
    ...(start.cpuSeconds === undefined
      ? []
      : [{ name: '  CPU of it', value: start.cpuSeconds, unit: 's', twice: 'quarter' as const }]),
    ...(await memory(server, `${count} objects, started anew`)),
    { name: `list of ${count} in pages after it`, value: await readAllPages(target, expected), unit: 's' },
    ...(await memory(server, `${count} objects, started anew and listed`)),
  ];
}

async function memory(server: Server, what: string): Promise<Measured[]> {
  // What the load itself needed is given back in idle time.
  await new Promise((settle) => setTimeout(settle, 5_000));
  const bytes = await server.memory();
  if (bytes === undefined) return [];
  const name = `memory with ${what} (PSS)`;
  return [{ name, value: bytes / 2 ** 20, unit: 'MiB', twice: 'quarter' }];
}
