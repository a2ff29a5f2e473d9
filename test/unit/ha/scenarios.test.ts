import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseScenario } from '../../../src/cli/simulate/parse.ts';
import { runScenario } from '../../../src/cli/simulate/run.ts';

const root = resolve(import.meta.dirname, '../../scenarios');
const stories = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .sort();

describe('stories of clusters', () => {
  it('are there', () => {
    expect(stories.length).toBeGreaterThan(28);
  });

  it.each(stories)('%s ends as it should', (story) => {
    const file = parseScenario(readFileSync(join(root, story), 'utf8'), story);
    const { violations, unmet } = runScenario(file, { name: story, seed: 1 });
    expect([...violations.map(({ invariant, detail }) => `${invariant}: ${detail}`), ...unmet]).toEqual([]);
    expect(file.expect, 'a story says how it ends').toBeDefined();
  });
});
