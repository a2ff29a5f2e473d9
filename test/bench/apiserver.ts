/**
 * `npm run bench -- apiserver [--against KUBECONFIG [--command LINE]]`: the same load on our API server and on another, which a shell
 * starts by LINE where its memory and start-up time are to be known too. The definition of VirtualMachine is put there and taken away.
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
import { type Server, startOurs, useOther } from './apiserver/servers.ts';
import { followChanges } from './apiserver/watchers.ts';
import { type Figure, median } from './measure.ts';

/** What is known of one figure before there is something to compare it with. */
type Measured = Omit<Figure, 'ours' | 'against'> & { value: number; twice?: 'rate' | 'quarter' };

const some = 10_000;
const many = 100_000;

export type ApiserverBench = { against?: string; command?: string; objects?: number };

/** Measures ours, and the other one beside it. */
export async function benchApiserver(options: ApiserverBench): Promise<Figure[]> {
  const objects = options.objects ?? many;
  const ours = await measured(await startOurs(), objects);
  const { against, command } = options;
  const theirs = against === undefined ? [] : await measured(await useOther(against, command), objects);
  return ours.map(({ value, twice, ...figure }) => {
    const other = theirs.find(({ name }) => name === figure.name);
    if (other === undefined) return { ...figure, ours: value };
    const aims =
      twice === 'rate' ? { least: 2 * other.value } : twice === 'quarter' ? { aim: other.value / 4 } : {};
    return { ...figure, ours: value, against: { name: 'other', value: other.value }, ...aims };
  });
}

async function measured(server: Server, objects: number): Promise<Measured[]> {
  try {
    const admin = await openConnection(server.target);
    await prepare(admin);
    try {
      return [...(await measure(server, objects))];
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

async function measure(server: Server, objects: number): Promise<Measured[]> {
  const { target } = server;
  // The first requests compile what the others use.
  await rate(target, create, { clients: 8, first: 2 * many, count: 500 });
  const figures: Measured[] = [
    ...(await writes(server)),
    ...(await reads(server)),
    ...(await watches(server)),
    ...(await steady(server)),
    ...(await memory(server, '10,000 objects')),
  ];
  if (objects > some) {
    const count = objects.toLocaleString('en-US');
    const value = await rate(target, create, { clients: 32, first: some, count: objects - some });
    figures.push(
      {
        name: `durable creates of 2 KB up to ${count} objects, 32 clients`,
        value,
        unit: '/s',
        twice: 'rate',
      },
      ...(await memory(server, `${count} objects`)),
    );
    const started = await server.restart();
    if (started !== undefined) {
      figures.push(
        { name: `start-up with ${count} objects`, value: started, unit: 's', twice: 'quarter' },
        ...(await memory(server, `${count} objects, started anew`)),
      );
    }
  }
  return figures;
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
  return [
    ...(await load('durable creates of 2 KB', create, { clients: 1, count: 1_000 })),
    ...(await load('durable creates of 2 KB', create, { clients: 32, first: 1_000, count: some - 1_000 })),
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

async function steady({ target }: Server): Promise<Measured[]> {
  const { delays, failures } = await mixed(target, 20, some);
  const name = 'writes among 100/s of all kinds';
  return [
    ...[...failures].map(([what, value]) => ({
      name: `100/s of all kinds, failed: ${what}`,
      value,
      unit: '',
    })),
    { name: `${name}, p50`, value: percentile(delays, 0.5), unit: 'ms' },
    { name: `${name}, p99`, value: percentile(delays, 0.99), unit: 'ms', aim: 15 },
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
