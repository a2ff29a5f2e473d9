import { describe, expect, it } from 'vitest';
import { objectName } from '../../../src/api/objectName.ts';

const long = 'h'.repeat(63);

describe('names that follow from others', () => {
  it('stay as they are while there is room', () => {
    expect(objectName('host1-5f0c8b2e-1-0')).toBe('host1-5f0c8b2e-1-0');
    expect(objectName(long)).toBe(long);
  });

  it('keep their beginning and what follows the last dash, and differ where the others did', () => {
    const name = objectName(`${long}-5f0c8b2e-1-12`);
    expect(name).toMatch(/^h+-[0-9a-f]{12}-12$/);
    expect(name).toHaveLength(63);
    expect(objectName(`${long}-5f0c8b2e-2-12`)).not.toBe(name);
    expect(objectName(`${long}-5f0c8b2e-1-cut`)).toMatch(/^h+-[0-9a-f]{12}-cut$/);
  });

  it('have no part that ends in a dot or a dash, which no API server takes', () => {
    const dotted = `${'h'.repeat(46)}.-.example.org-5f0c8b2e-1-0`;
    expect(objectName(dotted)).toMatch(/^h{46}-[0-9a-f]{12}-0$/);
  });
});
