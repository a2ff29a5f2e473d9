/** What a device may be given, by what its agent says of itself. */
import { describe, expect, it } from 'vitest';
import { lastWords } from '../../../../src/drivers/fence/agents/answers.ts';
import { inputOf } from '../../../../src/drivers/fence/agents/input.ts';
import { parseMetadata } from '../../../../src/drivers/fence/agents/metadata.ts';
import type { FenceTarget } from '../../../../src/drivers/fence/contract.ts';
import { givesEvidence, parameterProblems } from '../../../../src/drivers/fence/parameters.ts';

const parameter = (name: string, attributes: string, content: string) =>
  `<parameter name="${name}" ${attributes}><getopt mixed="--x"/>${content}<shortdesc lang="en">The ${name}</shortdesc></parameter>`;

const metadata = (on: string) => `<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Fence agent for a lab">
<longdesc>Says &lt;much&gt; &amp; means it.</longdesc>
<parameters>
${parameter('action', 'unique="0" required="1"', '<content type="string" default="reboot"/>')}
${parameter('ip', 'unique="0" required="1" obsoletes="ipaddr"', '<content type="string"/>')}
${parameter('ipaddr', 'unique="0" required="1" deprecated="1"', '<content type="string"/>')}
${parameter('ipport', 'unique="0" required="0"', '<content type="integer" default="623"/>')}
${parameter('lanplus', 'unique="0" required="0"', '<content type="boolean" default="0"/>')}
${parameter('method', 'unique="0" required="0"', '<content type="select" default="onoff"><option value="onoff"/><option value="cycle"/></content>')}
${parameter('power_timeout', 'unique="0" required="0"', '<content type="second" default="20"/>')}
${parameter('power_wait', 'unique="0" required="0"', '<content type="second" default="2"/>')}
${parameter('password', 'unique="0" required="0"', '<content type="string"/>')}
${parameter('ipmitool_path', 'unique="0" required="0"', '<content type="string" default="/usr/bin/ipmitool"/>')}
${parameter('password_script', 'unique="0" required="0"', '<content type="string"/>')}
</parameters>
<actions>${on}<action name="off"/><action name="status"/><action name="monitor"/></actions>
</resource-agent>`;

const facts = parseMetadata('fence_lab', metadata('<action name="on" automatic="0"/>'));

const aTarget = (parameters: Record<string, string>, secrets: Record<string, string> = {}): FenceTarget => ({
  agent: 'fence_lab',
  parameters,
  secrets,
});
const problems = (parameters: Record<string, string>, secrets?: Record<string, string>) =>
  parameterProblems(facts, aTarget({ ip: '192.0.2.1', ...parameters }, secrets));

describe('what an agent says of itself', () => {
  it('is read with types, defaults, choices and older names', () => {
    expect(facts.actions).toEqual(['on', 'off', 'status', 'monitor']);
    const byName = new Map(facts.parameters.map((known) => [known.name, known]));
    expect(byName.get('ip')).toMatchObject({ required: true, obsoletes: 'ipaddr', deprecated: false });
    expect(byName.get('method')).toMatchObject({
      type: 'select',
      default: 'onoff',
      options: ['onoff', 'cycle'],
    });
    expect(byName.get('ipaddr')).toMatchObject({ deprecated: true, description: 'The ipaddr' });
  });

  it('tells power from fabric by who switches it on again', () => {
    expect(facts.reach).toBe('Power');
    const port = parseMetadata('fence_port', metadata('<action name="on" automatic="1"/>'));
    expect(port.reach).toBe('Fabric');
  });

  it.each(['', 'Enter password:', '<html></html>', '<resource-agent'])('is refused when it is %j', (text) => {
    expect(() => parseMetadata('fence_lab', text)).toThrow(
      'fence_lab gives no metadata of the FenceAgentAPI',
    );
  });
});

describe('the parameters of a device', () => {
  it('are fine when the agent knows them', () => {
    expect(
      problems({ ipport: '9001', lanplus: '1', power_wait: '0.5', method: 'onoff' }, { password: 'x' }),
    ).toEqual([]);
  });

  const wrong: [Record<string, string>, string][] = [
    [{ ipport: 'six' }, 'ipport must be a whole number'],
    [{ lanplus: 'maybe' }, 'lanplus must be 1 or 0'],
    [{ power_wait: '-1' }, 'power_wait must be a number of seconds'],
    [{ method: 'sideways' }, 'method must be one of onoff, cycle'],
    [{ colour: 'red' }, 'colour is no parameter of this agent'],
    [{ ipport: '623\naction=on' }, 'ipport holds a line break'],
  ];
  it.each(wrong)('are refused when they are %j', (given, said) => {
    expect(problems(given)).toEqual([said]);
  });

  it('are refused when one is missing, whichever of its names is meant', () => {
    expect(parameterProblems(facts, aTarget({}))).toEqual(['ip is required']);
    expect(parameterProblems(facts, aTarget({ ipaddr: '192.0.2.1' }))).toEqual([]);
  });

  it.each(['action', 'plug', 'verbose'])('leave %s to Vireo', (name) => {
    expect(problems({ [name]: 'x' })).toEqual([`${name} is given by Vireo and cannot be set`]);
  });

  it.each(['ipmitool_path', 'password_script', 'debug_file', 'ssh_options', 'sudo', 'use_sudo'])(
    'never reach into the host by %s',
    (name) => {
      expect(problems({ [name]: '/tmp/mine' })).toEqual([
        `${name} would reach into the host that runs the agent and is not allowed`,
      ]);
    },
  );

  it('never ask for a cycle, in which nobody sees the machine off', () => {
    expect(problems({ method: 'cycle' })).toHaveLength(1);
  });

  it('are not given openly and in secret at once', () => {
    expect(problems({ password: 'a' }, { password: 'b' })).toContain(
      'password is given both openly and as a secret',
    );
  });
});

it('what an agent says last is told without the secrets and without remarks of its language', () => {
  const target = aTarget({}, { password: 'hunter2', empty: '' });
  const said = "x.py:5: DeprecationWarning: 'pipes'\n  from pipes import quote\nlogin with hunter2 failed\n";
  expect(lastWords(said, target)).toBe('login with *** failed');
  expect(lastWords('\n', target)).toBe('it said nothing');
});

it('agents that switch nothing off are no evidence', () => {
  expect(['fence_dummy', 'fence_kdump', 'fence_ipmilan'].filter(givesEvidence)).toEqual(['fence_ipmilan']);
});

describe('an agent is told', () => {
  const input = (parameters: Record<string, string>) =>
    inputOf(
      facts,
      { ...aTarget({ ip: '192.0.2.1', ...parameters }, { password: 'secret' }), plug: '3' },
      'off',
      20_000,
    );

  it('all its parameters, its plug by the name it knows, and to give up before its own time is over', () => {
    expect(input({}).split('\n')).toEqual([
      'power_timeout=15',
      'ip=192.0.2.1',
      'password=secret',
      'port=3',
      'action=off',
      '',
    ]);
  });

  it('what the device says itself rather than that', () => {
    expect(input({ power_timeout: '40' })).toContain('power_timeout=40\n');
    expect(input({ power_timeout: '40' })).not.toContain('power_timeout=15');
  });
});
