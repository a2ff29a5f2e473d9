/** Manifests of archives hold the spec of their guest as it stands: so no spec of a guest may hold what belongs into a Secret, only names. */
import { describe, expect, it } from 'vitest';
import { Container } from '../../../src/api/kinds/container.ts';
import { VirtualMachine } from '../../../src/api/kinds/virtualMachine.ts';

/** Fields that are named after something secret, as `a.b[].c`. */
function secretFields(schema: unknown, path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const { properties = {}, items, additionalProperties } = schema as Record<string, unknown>;
  const own = Object.entries(properties as object).flatMap(([name, below]) => {
    const isSecret = /secret|passw|passphrase|token|credential|privatekey|userdata|cloudinit/i.test(name);
    const isNameOnly = /(ref|name)$/i.test(name);
    const here = `${path}.${name}`;
    return [...(isSecret && !isNameOnly ? [here] : []), ...secretFields(below, here)];
  });
  return [...own, ...secretFields(items, `${path}[]`), ...secretFields(additionalProperties, `${path}{}`)];
}

describe('what a guest is declared as', () => {
  it.each([VirtualMachine, Container])('has no room for the data of a Secret: $kind', ({ spec }) => {
    expect(Object.keys((spec as { properties?: object }).properties ?? {}).length).toBeGreaterThan(5);
    // A word of the user's own that asks for a restart.
    expect(secretFields(spec)).toEqual(['.restartToken']);
  });

  it('would be found out: a password beside a reference to one', () => {
    const user = { type: 'object', properties: { passwordSecretRef: {}, password: {} } };
    const spec = { properties: { users: { type: 'array', items: user } } };
    expect(secretFields(spec)).toEqual(['.users[].password']);
  });
});
