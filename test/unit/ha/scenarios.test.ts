import { describe, expect, it } from 'vitest';
import { runScenario } from '../../../src/cli/simulate/run.ts';
import { readStory, STORIES, textOf } from './stories.ts';

describe('stories of clusters', () => {
  it('are there', () => {
    expect(STORIES.length).toBeGreaterThanOrEqual(200);
  });

  it('say in their first line what they tell, each something else', () => {
    const first = STORIES.map((story) => textOf(story).split('\n')[0] ?? '');
    expect(first.filter((line) => !/^# .{20,}[.?!]$/.test(line))).toEqual([]);
    expect(new Set(first).size).toBe(first.length);
  });

  it.each(STORIES)('%s ends as it should', (story) => {
    const file = readStory(story);
    const { violations, unmet } = runScenario(file, { name: story, seed: 1, endsSettled: true });
    expect([...violations.map(({ invariant, detail }) => `${invariant}: ${detail}`), ...unmet]).toEqual([]);
    expect(file.expect, 'a story says how it ends').toBeDefined();
  });
});
