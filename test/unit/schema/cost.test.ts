import { expect, test } from 'vitest';
import { estimateRuleCosts } from '../../../src/schema/cost.ts';
import { list, object, ruled, text } from './builders.ts';

const ruleLimit = 10_000_000;
const cost = (...args: Parameters<typeof ruled>) =>
  Math.max(...estimateRuleCosts(ruled(...args)).map(({ cost: each }) => each));

// Gateway API 1.3 and Karpenter 1.5 have such rules, and kube-apiserver 1.33.4 takes them.
test('the keys of a map cost nothing to read, its values do', () => {
  const labels = { type: 'object', maxProperties: 8, additionalProperties: text } as const;
  expect(cost(labels, "self.all(key, key.matches('^[a-z]+$') || key.find('^x').endsWith('y'))")).toBeLessThan(
    1000,
  );
  expect(cost(labels, "self.all(key, self[key].matches('^[a-z]+$'))")).toBeGreaterThan(ruleLimit / 5);
});

test('texts that become numbers and times are compared as such', () => {
  const times = object({ a: text, b: text });
  expect(cost(times, 'duration(self.a) > duration(self.b) && int(self.a) == int(self.b)')).toBeLessThan(100);
  expect(cost(times, 'self.a > self.b')).toBeGreaterThan(100_000);
  expect(cost(list(text, { maxItems: 50 }), 'self.all(x, int(x) >= 0)')).toBeLessThan(1000);
});
