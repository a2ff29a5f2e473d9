import { describe, expect, it } from 'vitest';
import { jsonLog } from '../../../src/main/world/log.ts';

function collecting(level: 'debug' | 'info' | 'warn' = 'info') {
  const lines: Record<string, unknown>[] = [];
  const log = jsonLog({
    level,
    now: () => 0,
    fields: { role: 'agent' },
    write: (line) => lines.push(JSON.parse(line)),
  });
  return { log, lines };
}

describe('the log', () => {
  it('writes one JSON object a line, with the fields of its parents', () => {
    const { log, lines } = collecting();
    log.child({ guest: 'web' }).info('started', { pid: 7 });
    expect(lines).toEqual([
      {
        role: 'agent',
        guest: 'web',
        pid: 7,
        time: '1970-01-01T00:00:00.000Z',
        level: 'info',
        msg: 'started',
      },
    ]);
  });

  it('drops what is below its level', () => {
    const { log, lines } = collecting('warn');
    log.debug('a');
    log.info('b');
    log.child({ x: 1 }).warn('c');
    expect(lines.map((line) => line.msg)).toEqual(['c']);
  });

  it('prints errors, big numbers and things JSON cannot hold without throwing', () => {
    const { log, lines } = collecting();
    const ring: Record<string, unknown> = {};
    ring.self = ring;
    log.error('broken', { error: new Error('disk gone'), size: 2n ** 60n });
    log.error('ring', { ring });
    expect(lines[0]).toMatchObject({
      error: expect.stringContaining('disk gone'),
      size: '1152921504606846976',
    });
    expect(lines[1]).toMatchObject({ msg: 'ring', unprintable: true });
  });
});
