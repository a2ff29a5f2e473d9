/** Counts the side effects of an agent and kills it before or after one of them: from then on nothing it does has any effect. */

export type Crasher = {
  /** The port with its named methods counted; after the crash no method of it ever answers. */
  wrap<T extends object>(port: string, target: T, effects: readonly (keyof T & string)[]): T;
  isDead(): boolean;
  /** It dies now, between two side effects. */
  kill(): void;
  /** Side effects so far, by name. */
  effects(): readonly string[];
};

/** `dieAt` n: at the n-th side effect (from 1), `when` it is about to happen or has just happened. */
export function createCrasher(
  dieAt = Number.POSITIVE_INFINITY,
  when: 'before' | 'after' = 'before',
): Crasher {
  const effects: string[] = [];
  let dead = false;
  const never = <R>() => new Promise<R>(() => {});

  const count = async (name: string, act: () => Promise<unknown>): Promise<unknown> => {
    effects.push(name);
    const isLast = effects.length === dieAt;
    if (isLast && when === 'before') dead = true;
    if (dead) return never();
    const result = await act();
    if (isLast) dead = true;
    return dead ? never() : result;
  };

  return {
    isDead: () => dead,
    kill: () => {
      dead = true;
    },
    effects: () => effects,
    wrap: (port, target, names) =>
      new Proxy(target, {
        get: (object, property, receiver) => {
          const value: unknown = Reflect.get(object, property, receiver);
          if (typeof value !== 'function') return value;
          const call = (...given: unknown[]): unknown => Reflect.apply(value, object, given);
          const isCounted = names.some((name) => name === property);
          return (...given: unknown[]) => {
            if (dead) return never();
            return isCounted
              ? count(`${port}.${String(property)}`, async () => call(...given))
              : call(...given);
          };
        },
      }),
  };
}
