import { describe, expect, it } from 'vitest';
import type { Stored } from '../../../src/api/meta.ts';
import { createExpectations } from '../../../src/runtime/expectations.ts';
import type { Guest } from '../client/guests.ts';
import { guest } from '../client/guests.ts';

/** The guest `web` at a version. */
function at(resourceVersion: string, uid = 'u1'): Stored<Guest> {
  return { ...guest('web'), metadata: { name: 'web', uid, resourceVersion } };
}

function lab() {
  let now = 0;
  return {
    expectations: createExpectations(() => now),
    wait: (ms: number) => {
      now += ms;
    },
  };
}

describe('expectations', () => {
  it('hold a key until the copy shows our write or something newer, comparing numbers and not letters', () => {
    const { expectations } = lab();
    expectations.wrote('web', at('100'));
    expect(expectations.met('web', at('99'))).toBe(false);
    expect(expectations.met('other', at('99'))).toBe(true);
    expect(expectations.met('web', at('100'))).toBe(true);
    expectations.wrote('web', at('100'));
    expect(expectations.met('web', at('1000'))).toBe(true);
  });

  it('want something newer than what the server refused', () => {
    const { expectations } = lab();
    expectations.refused('web', at('100'));
    expect(expectations.met('web', at('100'))).toBe(false);
    expect(expectations.met('web', at('101'))).toBe(true);
  });

  it('are about one object, not its name', () => {
    const { expectations } = lab();
    expectations.wrote('web', at('100'));
    expect(expectations.met('web', at('7', 'u2'))).toBe(true);
  });

  it('end after ten seconds', () => {
    const { expectations, wait } = lab();
    expectations.wrote('web', at('100'));
    wait(9_999);
    expect(expectations.met('web', at('99'))).toBe(false);
    wait(1);
    expect(expectations.met('web', at('99'))).toBe(true);
  });

  it('know each of our own writes when it comes back, once, and no other', () => {
    const { expectations } = lab();
    expectations.wrote('web', at('100'));
    expectations.wrote('web', at('102'));
    expect(expectations.isOwnEcho('web', at('100'))).toBe(true);
    expect(expectations.isOwnEcho('web', at('101'))).toBe(false);
    expect(expectations.isOwnEcho('web', at('102'))).toBe(true);
    expect(expectations.isOwnEcho('web', at('102'))).toBe(false);
  });
});
