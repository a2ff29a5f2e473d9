import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  type EncryptionKeys,
  isSealed,
  open,
  SealedValueError,
  seal,
} from '../../../../src/apiserver/encryption/envelope.ts';
import { loadEncryptionKeys } from '../../../../src/apiserver/encryption/keyfile.ts';
import { encryptedStore, sealStored } from '../../../../src/apiserver/encryption/store.ts';
import { realWorld } from '../../../../src/main/world/world.ts';
import type { Change } from '../../../../src/store/contract.ts';
import { createMemoryStore } from '../../../../src/store/memory.ts';
import { seededRandom } from '../../../world/seededRandom.ts';

const random = seededRandom();
const key = (name: string) => ({ name, key: random.bytes(32) });
const keys: EncryptionKeys = [key('one')];
const secret = '/registry/core/secrets/default/a';
const map = '/registry/core/configmaps/default/a';
const plain = Buffer.from('{"kind":"Secret","data":{"password":"hunter2"}}');
const textOf = (value: Uint8Array | undefined) => Buffer.from(value ?? []).toString('utf8');

describe('a sealed value', () => {
  it('shows nothing, and opens at its place only', () => {
    const sealed = seal(keys, secret, plain, random);
    expect(sealed.includes('hunter2')).toBe(false);
    expect(textOf(open(keys, secret, sealed))).toBe(plain.toString());
    expect(() => open(keys, `${secret}b`, sealed)).toThrow(SealedValueError);
  });

  it('never looks the same twice', () => {
    expect(seal(keys, secret, plain, random).equals(seal(keys, secret, plain, random))).toBe(false);
  });

  it('does not open when any byte of it has changed, or it was cut', () => {
    const sealed = seal(keys, secret, plain, random);
    for (let at = 8; at < sealed.length; at++) {
      const broken = Buffer.from(sealed);
      broken[at] = (broken[at] ?? 0) ^ 1;
      expect(() => open(keys, secret, broken)).toThrow(SealedValueError);
    }
    expect(() => open(keys, secret, sealed.subarray(0, 20))).toThrow(SealedValueError);
  });
});

describe('a store of Secrets', () => {
  it('holds them sealed, and shows them plain by every way of reading', async () => {
    const inner = createMemoryStore();
    const store = encryptedStore(inner, keys, random);
    const seen: Change[] = [];
    store.subscribe((changes) => seen.push(...changes));
    await store.commit([
      { key: secret, put: plain },
      { key: map, put: plain },
    ]);
    await store.commit([{ key: secret, put: (revision) => Buffer.from(`{"at":${revision}}`) }]);
    expect(isSealed(inner.get(secret)?.value ?? plain)).toBe(true);
    expect(
      inner
        .changesAfter(1, 10)
        .some(
          (change) => 'value' in change && textOf(change.value).includes('hunter2') && change.key === secret,
        ),
    ).toBe(false);
    expect(textOf(inner.get(map)?.value)).toBe(plain.toString());
    expect(textOf(store.get(secret)?.value)).toMatch(/^\{"at":\d+\}$/);
    expect(store.range({ prefix: '/registry/' }).entries.every(({ value }) => !isSealed(value))).toBe(true);
    expect(seen.every((change) => !('value' in change && isSealed(change.value)))).toBe(true);
    expect(textOf(seen.at(-1)?.previous)).toBe(plain.toString());
    expect(textOf(store.changesAfter(1, 10).at(-1)?.previous)).toBe(plain.toString());
    const conflict = await store.commit([{ key: secret, expect: 0, put: plain }]);
    expect(conflict.ok === false && isSealed(conflict.current?.value ?? plain)).toBe(false);
  });

  it('opens one that is read again and again once, until it is written anew', async () => {
    const store = encryptedStore(createMemoryStore(), keys, random);
    await store.commit([{ key: secret, put: plain }]);
    const first = store.get(secret);
    expect(store.get(secret)).toBe(first);
    await store.commit([{ key: secret, put: Buffer.from('{}') }]);
    expect(textOf(store.get(secret)?.value)).toBe('{}');
    expect(textOf(first?.value)).toBe(plain.toString());
  });

  it('reads what was plain before, and seals it in the background', async () => {
    const inner = createMemoryStore();
    await inner.commit([{ key: secret, put: plain }]);
    const store = encryptedStore(inner, keys, random);
    expect(textOf(store.get(secret)?.value)).toBe(plain.toString());
    expect(await sealStored(inner, keys, random, new AbortController().signal)).toBe(1);
    expect(isSealed(inner.get(secret)?.value ?? plain)).toBe(true);
    expect(textOf(store.get(secret)?.value)).toBe(plain.toString());
    expect(await sealStored(inner, keys, random, new AbortController().signal)).toBe(0);
  });

  it('changes its key when a new one is put first', async () => {
    const inner = createMemoryStore();
    await encryptedStore(inner, keys, random).commit([{ key: secret, put: plain }]);
    const next: EncryptionKeys = [key('two'), keys[0]];
    expect(await sealStored(inner, next, random, new AbortController().signal)).toBe(1);
    expect(textOf(encryptedStore(inner, [next[0]], random).get(secret)?.value)).toBe(plain.toString());
  });

  it('does not start with the wrong key, and says what to do', async () => {
    const inner = createMemoryStore();
    await encryptedStore(inner, keys, random).commit([{ key: secret, put: plain }]);
    expect(() => encryptedStore(inner, [key('two')], random)).toThrow(/restore the file encryption.keys/);
    expect(() => encryptedStore(inner, [key('one')], random)).toThrow(SealedValueError);
  });
});

describe('the key file', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keys-'));
  });
  afterEach(() => rm(directory, { recursive: true, force: true }));

  it('is made once, for its owner only', async () => {
    const first = await loadEncryptionKeys(realWorld(), directory);
    const again = await loadEncryptionKeys(realWorld(), directory);
    expect(Buffer.from(again[0].key).equals(Buffer.from(first[0].key))).toBe(true);
    expect((await stat(join(directory, 'encryption.keys'))).mode & 0o777).toBe(0o600);
  });

  it('with a broken line is refused without showing it, and never replaced', async () => {
    const path = join(directory, 'encryption.keys');
    await writeFile(path, 'one c2hvcnQ=\n');
    const failure = await loadEncryptionKeys(realWorld(), directory).catch((error: unknown) => String(error));
    expect(failure).toMatch(/a line that is no key/);
    expect(failure).not.toContain('c2hvcnQ');
    await writeFile(path, '# nothing\n');
    await expect(loadEncryptionKeys(realWorld(), directory)).rejects.toThrow(/holds no key/);
    expect(await readFile(path, 'utf8')).toBe('# nothing\n');
  });
});
