import { describe, expect, test } from 'vitest';
import { createEnvironment } from '../../../src/schema/cel/environment.ts';

const environment = createEnvironment().registerVariable('self', 'dyn');
const evaluate = (expression: string, self: unknown = null): unknown =>
  environment.evaluate(expression, { self });

/** Expressions that hold, by the examples of https://kubernetes.io/docs/reference/using-api/cel/ and cel-go's extensions. */
const truths: Record<string, string[]> = {
  lists: [
    '[1, 2, 3].isSorted()',
    '![2, 1].isSorted()',
    '[1, 3].sum() == 4',
    '[1.0, 3.5].sum() == 4.5',
    '[3, 1].min() == 1',
    "['a', 'c'].max() == 'c'",
    '[1, 2, 2].indexOf(2) == 1',
    '[1, 2, 2].lastIndexOf(2) == 2',
    '[1].indexOf(5) == -1',
  ],
  sets: [
    'sets.contains([1, 2, 3], [3, 1])',
    '!sets.contains([1], [2])',
    'sets.equivalent([1, 2], [2, 1, 1])',
    "sets.intersects(['a'], ['b', 'a'])",
    "!sets.intersects([], ['a'])",
  ],
  strings: [
    "'hello'.charAt(4) == 'o'",
    "'hello hello'.replace('he', 'we') == 'wello wello'",
    "'hello hello'.replace('he', 'we', 1) == 'wello hello'",
    "'hello'.replace('he', 'we', 0) == 'hello'",
    "'a,b,c'.split(',') == ['a', 'b', 'c']",
    "'abc 123'.find('[0-9]+') == '123'",
    "'1 2 3'.findAll('[0-9]') == ['1', '2', '3']",
    "'1 2 3'.findAll('[0-9]', 2) == ['1', '2']",
    "'%s has %d of %.1f%%'.format(['x', 3, 2.55]) == 'x has 3 of 2.5%' || '%.1f'.format([2.55]) == '2.6'",
    "'%x %X %b %o'.format([255, 255, 5, 8]) == 'ff FF 101 10'",
    "'%s'.format([['a', 1]]) == '[a, 1]'",
  ],
  quantities: [
    "quantity('1Gi') == quantity('1024Mi')",
    "quantity('50k').isGreaterThan(quantity('49999'))",
    "quantity('1.5').isLessThan(quantity('1501m'))",
    "quantity('50k').add(quantity('20k')) == quantity('70k')",
    "quantity('50k').sub(20000) == quantity('30k')",
    "sign(quantity('-1')) == -1",
    "quantity('50.5').isInteger() == false",
    "quantity('50k').asInteger() == 50000",
    "quantity('1e3').compareTo(quantity('1k')) == 0",
    "quantity('9007199254740993').asInteger() == 9007199254740993",
    "isQuantity('1.3Gi') && isQuantity('-5m') && isQuantity('.5')",
    "!isQuantity('1.3GB') && !isQuantity('') && !isQuantity('Gi') && !isQuantity('1 Gi')",
  ],
  addresses: [
    "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.256') && !isIP('fe80::1%eth0') && !isIP('::ffff:1.2.3.4')",
    "ip('127.0.0.1').family() == 4 && ip('::1').family() == 6",
    "ip('127.0.0.1') == ip('127.0.0.1') && ip('10.0.0.1') != ip('10.0.0.2')",
    "ip('127.0.0.1').isLoopback() && ip('::').isUnspecified() && ip('169.254.1.1').isLinkLocalUnicast()",
    "ip('224.0.0.1').isLinkLocalMulticast() && ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
    "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD') && !ip.isCanonical('2001:db8::0:0:0:abcd')",
    "string(ip('2001:db8:0:0:1:0:0:1')) == '2001:db8::1:0:0:1'",
    "string(ip('1:0:2:0:0:0:0:3')) == '1:0:2::3' && string(ip('1::')) == '1::' && string(ip('::1.2.3.4')) == '::102:304'",
    "isCIDR('192.168.0.0/24') && !isCIDR('192.168.0.0/33') && !isCIDR('192.168.0.0/024') && !isCIDR('192.168.0.0')",
    "cidr('192.168.0.0/24').containsIP('192.168.0.9') && !cidr('192.168.0.0/24').containsIP(ip('192.168.1.9'))",
    "cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/16'))",
    "cidr('192.168.0.9/24').masked() == cidr('192.168.0.0/24') && cidr('::1/128').prefixLength() == 128",
    "cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && string(cidr('10.1.2.3/8')) == '10.1.2.3/8'",
  ],
  urls: [
    "isURL('https://user:pass@example.com:80/path?query=val#x') && isURL('/absolute-path') && !isURL('../relative')",
    "url('https://example.com:8443/a%20b').getHost() == 'example.com:8443'",
    "url('https://[::1]:8443/').getHostname() == '::1' && url('https://a:8443/').getPort() == '8443'",
    "url('https://example.com/a%20b').getEscapedPath() == '/a%20b' && url('/path').getScheme() == ''",
    "url('https://a/?k=1&k=2').getQuery()['k'] == ['1', '2']",
  ],
  formats: [
    "!format.dns1123Label().validate('my-label').hasValue()",
    "format.dns1123Label().validate('My_Label').hasValue()",
    "!format.qualifiedName().validate('vireo.dev/host').hasValue()",
    "format.uuid().validate('x').value().size() == 1",
    "!format.datetime().validate('2026-01-01T00:00:00Z').hasValue()",
  ],
  language: [
    '[1, 2, 3].all(x, x > 0) && [1, 2].exists(x, x == 2) && [1, 1, 2].exists_one(x, x == 2)',
    "{'a': 1}.all(k, k == 'a') && {'a': 1}.map(k, k) == ['a']",
    "matches('abc', '^a') && 'abc'.matches('b')",
    '[1].map(x, x + 1) == [2]',
  ],
};

describe.each(Object.entries(truths))('%s', (_, expressions) => {
  test.each(expressions)('%s', (expression) => {
    // What `.matches(` becomes in rules is told in the tests of rules; here it is the library's own.
    expect(evaluate(expression)).toBe(true);
  });
});

test.each([
  "quantity('x')",
  "ip('x')",
  "cidr('1.2.3.4')",
  "url('x')",
  '[].min()',
  "quantity('0.5').asInteger()",
  "'%d'.format(['x'])",
  "'%s'.format([])",
  "'%q'.format(['x'])",
])('%s fails instead of guessing', (expression) => {
  expect(() => evaluate(expression)).toThrow();
});
