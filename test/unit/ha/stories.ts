/** The stories of test/scenarios, by their path there. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseScenario } from '../../../src/cli/simulate/parse.ts';
import type { ScenarioFile } from '../../../src/cli/simulate/scenario.ts';

const root = resolve(import.meta.dirname, '../../scenarios');

export const STORIES: readonly string[] = readdirSync(root, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.yaml'))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
  .sort();

export function textOf(story: string): string {
  return readFileSync(join(root, story), 'utf8');
}

export function readStory(story: string): ScenarioFile {
  return parseScenario(textOf(story), story);
}
