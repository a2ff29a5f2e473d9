/**
 * The CEL environment of kube-apiserver: the language with Kubernetes' libraries, regular expressions by RE2.
 * https://kubernetes.io/docs/reference/using-api/cel/
 */
import { Environment } from '@marcbachmann/cel-js';
import { compilePattern, type Pattern } from '../patterns.ts';
import { registerComprehensions } from './comprehensions.ts';
import { registerFormats } from './formats.ts';
import { registerLists } from './lists.ts';
import { registerNetwork } from './network.ts';
import { registerQuantities } from './quantities.ts';
import { registerStrings } from './strings.ts';
import { registerTimes } from './times.ts';

/** Expressions built at run time are few; beyond this many they are compiled again each time. */
const maxCachedPatterns = 256;

/**
 * Makes an environment with the variable `self`. Call it once per schema and clone it: it is not free, and it remembers the regular
 * expressions it has compiled.
 */
export function createEnvironment(): Environment {
  const environment = new Environment({
    enableOptionalTypes: true,
    homogeneousAggregateLiterals: false,
    limits: { maxDepth: 100, maxAstNodes: 20_000 },
  });
  const pattern = cachedPatterns();
  registerStrings(environment, pattern);
  registerLists(environment);
  registerQuantities(environment);
  registerNetwork(environment);
  registerFormats(environment);
  registerComprehensions(environment);
  registerTimes(environment);
  return environment;
}

function cachedPatterns(): (source: string) => Pattern {
  const cache = new Map<string, Pattern>();
  return (source) => {
    const known = cache.get(source);
    if (known) return known;
    const compiled = compilePattern(source);
    if (cache.size < maxCachedPatterns) cache.set(source, compiled);
    return compiled;
  };
}
