import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCatalog } from '../../../src/apiserver/catalog/catalog.ts';
import type { Served } from '../../../src/apiserver/catalog/served.ts';
import { encode } from '../../../src/apiserver/registry/codec.ts';
import { createFieldIndexes } from '../../../src/apiserver/registry/fieldIndex.ts';
import { silentLog } from '../../../src/base/log.ts';
import { createMemoryStore } from '../../../src/store/memory.ts';
import { createClient } from '../../contract/apiserver/client.ts';
import { startEmbedded } from '../../contract/apiserver/embedded.ts';
import { settle } from '../../world/fakeClock.ts';

const FIELD = 'type';

/** A store of Secrets, which are looked up by their type; `step` lets the making of an index go on by one slice. */
function aStore({ held = false } = {}) {
  const store = createMemoryStore();
  const secrets = createCatalog(store, silentLog).find('', 'v1', 'secrets');
  if (secrets === undefined) throw new Error('no secrets');
  let goOn = () => {};
  const pace = () =>
    held
      ? new Promise<void>((resolve) => {
          goOn = resolve;
        })
      : undefined;
  const indexes = createFieldIndexes(store, pace);
  const key = (name: string) => `${secrets.prefix}ns/${name}`;
  const put = (name: string, type: string) => {
    const object = { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: 'ns' }, type };
    return store.commit([{ key: key(name), put: encode(secrets, object) }]);
  };
  const drop = (name: string) => store.commit([{ key: key(name), delete: true }]);
  const names = (value: string, served: Served = secrets) => {
    void indexes.ready(served, FIELD);
    return indexes.keys(served, FIELD, value)?.map((found) => found.slice(found.lastIndexOf('/') + 1));
  };
  const fill = async (count: number) => {
    for (let index = 0; index < count; index += 1) await put(`s${String(index).padStart(4, '0')}`, 'Plain');
  };
  const step = async () => {
    goOn();
    await settle();
  };
  return { store, secrets, key, indexes, put, drop, names, fill, step };
}

describe('a list by a field of a few among many', () => {
  it('is the same before and after an index is there, page by page too', async () => {
    const { secrets, key, put, store, fill } = aStore();
    await fill(600);
    for (const name of ['x', 's0003', 'a', 'm']) await put(name, 'Rare');
    const server = await startEmbedded({ store });
    const client = createClient(server.target);
    type Page = { items: { metadata: { name: string } }[]; metadata: { continue?: string } };
    const list = async (query: string): Promise<Page> => {
      const { code, body } = await client.send('GET', `/api/v1/namespaces/ns/secrets?${query}`);
      expect(code).toBe(200);
      return body as Page;
    };
    const namesOf = (page: Page) => page.items.map(({ metadata }) => metadata.name);
    try {
      // The first one has the index made and waits for it, the later ones have it.
      for (let round = 0; round < 3; round += 1) {
        expect(namesOf(await list('fieldSelector=type%3DRare'))).toEqual(['a', 'm', 's0003', 'x']);
        const first = await list('fieldSelector=type%3DRare&limit=3');
        expect(namesOf(first)).toEqual(['a', 'm', 's0003']);
        const next = encodeURIComponent(first.metadata.continue ?? '');
        expect(namesOf(await list(`fieldSelector=type%3DRare&limit=3&continue=${next}`))).toEqual(['x']);
        expect(namesOf(await list('fieldSelector=type%3DRare,metadata.name%3Dm'))).toEqual(['m']);
        expect(namesOf(await list('fieldSelector=type%3DRare,type!%3DRare'))).toEqual([]);
      }
      await store.commit([{ key: key('m'), delete: true }]);
      await put('s0100', 'Rare');
      expect(namesOf(await list('fieldSelector=type%3DRare'))).toEqual(['a', 's0003', 's0100', 'x']);
      expect(secrets.selectable.has('type')).toBe(true);
    } finally {
      client.close();
      await server.stop();
    }
  });
});

describe('the index of a field', () => {
  it('is not made for few objects', async () => {
    const { fill, names } = aStore();
    await fill(10);
    expect(names('Plain')).toBeUndefined();
    await settle();
    expect(names('Plain')).toBeUndefined();
  });

  it('is made when it is first asked for, and has the keys in their order', async () => {
    const { fill, put, names } = aStore();
    await fill(500);
    await put('b', 'Rare');
    await put('a', 'Rare');
    expect(names('Rare')).toBeUndefined();
    await settle();
    expect(names('Rare')).toEqual(['a', 'b']);
    expect(names('Never')).toEqual([]);
  });

  it('is waited for by all that ask while it is made', async () => {
    const { fill, put, indexes, secrets, names, step } = aStore({ held: true });
    await fill(560);
    await put('a', 'Rare');
    let waiting = 2;
    for (const _list of ['one', 'another']) void indexes.ready(secrets, FIELD)?.then(() => waiting--);
    for (let slices = 0; slices < 10; slices += 1) await step();
    expect(waiting).toBe(2);
    while (waiting > 0) await step();
    expect(names('Rare')).toEqual(['a']);
    expect(indexes.ready(secrets, FIELD)).toBeUndefined();
  });

  it('says nothing of a value that too many have', async () => {
    const { fill, put, names } = aStore();
    await fill(2_001);
    await put('a', 'Rare');
    names('Rare');
    await settle();
    expect(names('Rare')).toEqual(['a']);
    expect(names('Plain')).toBeUndefined();
  });

  it('is made anew when the definition of its objects has changed', async () => {
    const { fill, put, names, secrets } = aStore();
    await fill(500);
    await put('a', 'Rare');
    names('Rare');
    await settle();
    expect(names('Rare', { ...secrets })).toBeUndefined();
    await settle();
  });

  it('knows at any time what is there, whatever changes while it is made and afterwards', async () => {
    const value = fc.constantFrom('Rare', 'Odd', 'Plain');
    const name = fc.integer({ min: 0, max: 599 }).map((index) => `s${String(index).padStart(4, '0')}`);
    const change = fc.oneof(
      fc.record({ put: name, value }),
      fc.record({ drop: name }),
      fc.constant({ step: true } as const),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(change, { maxLength: 120 }), async (changes) => {
        const { fill, put, drop, names, step, indexes } = aStore({ held: true });
        await fill(560);
        const truth = new Map<string, string>();
        for (let index = 0; index < 560; index += 1) truth.set(`s${String(index).padStart(4, '0')}`, 'Plain');
        names('Rare');
        const check = () => {
          for (const wanted of ['Rare', 'Odd']) {
            const found = names(wanted);
            const there = [...truth].filter(([, is]) => is === wanted).map(([one]) => one);
            if (found !== undefined) expect(found).toEqual(there.sort());
          }
        };
        for (const one of changes) {
          if ('step' in one) await step();
          else if ('put' in one) {
            await put(one.put, one.value);
            truth.set(one.put, one.value);
          } else if (truth.delete(one.drop)) await drop(one.drop);
          check();
        }
        for (let round = 0; round < 40; round += 1) await step();
        if (truth.size >= 500) expect(names('Rare')).toBeDefined();
        check();
        indexes.close();
      }),
      { numRuns: 15 },
    );
  });
});
