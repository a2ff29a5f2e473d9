import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { validateManifests } from '../../../src/cli/validate.ts';
import { realWorld } from '../../../src/main/world/world.ts';

const { files } = realWorld({ logLevel: 'error' });
const HEAD = 'apiVersion: vireo.dev/v1alpha1\nkind: VirtualMachine\nmetadata: {name: a}\n';

describe('vireo validate', () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'vireo-validate-'));
  });
  afterEach(() => rm(directory, { recursive: true }));

  /** `line: message` for each problem in one file. */
  async function problems(yaml: string): Promise<string[]> {
    await writeFile(join(directory, 'a.yaml'), yaml);
    const report = await validateManifests(files, directory);
    return report.problems.map(({ line, message }) => `${line}: ${message}`);
  }

  it('finds nothing wrong with the samples', async () => {
    const report = await validateManifests(files, resolve(import.meta.dirname, '../../../manifests/samples'));
    expect(report).toMatchObject({ problems: [], checked: 5 });
  });

  it('names an unknown field with its line', async () => {
    expect(await problems(`${HEAD}spec:\n  memory: {size: 1Gi}\n  memroy: 1\n`)).toEqual([
      '6: spec.memroy: unknown field',
    ]);
  });

  it('points into a list', async () => {
    const yaml = `${HEAD}spec:\n  memory: {size: 1Gi}\n  disks:\n    - {name: a, pool: p, size: 1Gi}\n    - name: b\n      size: 1Gi\n`;
    expect(await problems(yaml)).toEqual(['8: spec.disks[1].pool: Required value']);
  });

  it('applies CEL rules', async () => {
    const yaml = `${HEAD}spec:\n  memory: {size: 1Gi}\n  networks:\n    - {name: eth0, nat: {}, user: {}}\n`;
    expect(await problems(yaml)).toEqual([
      expect.stringContaining('exactly one of bridge, nat, user must be set'),
    ]);
  });

  it.each(['e', 'lo'])('refuses an interface that LXC could not name in a container: %s', async (name) => {
    const yaml = `apiVersion: vireo.dev/v1alpha1\nkind: Container\nmetadata: {name: web}\nspec:\n  image: busybox\n  rootfs: {pool: local}\n  networks:\n    - {name: ${name}, nat: {}}\n`;
    expect(await problems(yaml)).toEqual([
      expect.stringContaining('name must have 2 to 15 characters and not be lo'),
    ]);
  });

  it('refuses a guest that is to be both together with and apart from another', async () => {
    const rules = (apart: string) =>
      `${HEAD}spec:\n  memory: {size: 1Gi}\n  placement:\n    keepTogether: [{policy: Required, guest: {kind: Container, name: web}}]\n    keepApart: [${apart}]\n`;
    const web = 'guest: {kind: Container, name: web}';
    expect(await problems(rules(`{policy: Required, ${web}}`))).toEqual([
      expect.stringContaining('must not both require the same guests'),
    ]);
    expect(await problems(rules(`{policy: Preferred, ${web}}`))).toEqual([]);
    expect(await problems(rules('{policy: Required, guest: {kind: VirtualMachine, name: web}}'))).toEqual([]);
    expect(await problems(rules('{policy: Required, matchLabels: {app: web}}'))).toEqual([]);
  });

  it('refuses an HAGroup that is to keep its guests both together and apart', async () => {
    const group = (rules: string) =>
      `apiVersion: vireo.dev/v1alpha1\nkind: HAGroup\nmetadata: {name: web}\nspec: {hosts: [{name: a}], guestSelector: {}, ${rules}}\n`;
    const together = 'keepTogether: {policy: Required}';
    expect(await problems(group(`${together}, keepApart: {policy: Preferred}`))).toEqual([
      expect.stringContaining('keepTogether and keepApart contradict each other'),
    ]);
    expect(await problems(group(together))).toEqual([]);
  });

  it('finds the same object twice, and broken YAML', async () => {
    const yaml = `${HEAD}spec: {memory: {size: 1Gi}}\n---\n${HEAD}spec: {memory: {size: 1Gi}}\n`;
    expect(await problems(yaml)).toEqual([
      expect.stringMatching(/^8: the same object stands in .*a\.yaml:3$/),
    ]);
    expect(await problems('a: [1\n')).toHaveLength(1);
  });

  it('passes over other groups and refuses unknown kinds of ours', async () => {
    expect(await problems('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n')).toEqual([]);
    expect(await problems('apiVersion: vireo.dev/v1alpha1\nkind: Virtual\nmetadata: {name: a}\n')).toEqual([
      expect.stringMatching(/^2: there is no kind Virtual/),
    ]);
  });
});
