/** Reads a scenario file as kubectl reads YAML, and says what is wrong with it: where, and why. */
import { parseAllDocuments } from 'yaml';
import { relaxedSchema } from '../../api/crd.ts';
import { ReasonedError } from '../../base/outcome.ts';
import { compileSchema } from '../../schema/compile.ts';
import { type ScenarioFile, scenarioSchema } from './scenario.ts';
import { entryProblem } from './timeline.ts';

/** Throws ReasonedError ScenarioInvalid that lists every problem with its path. */
export function parseScenario(text: string, source: string): ScenarioFile {
  const documents = parseAllDocuments(text, { version: '1.1' });
  const document = Array.isArray(documents) ? documents[0] : undefined;
  if (document === undefined || document.errors.length > 0)
    throw invalid(source, [document?.errors[0]?.message.split('\n')[0] ?? 'there is nothing in it']);
  const object: unknown = document.toJS();
  if (typeof object !== 'object' || object === null || Array.isArray(object))
    throw invalid(source, ['must be a mapping']);
  const { apiVersion, kind, ...body } = object as Record<string, unknown>;
  const head = [
    ...(apiVersion === 'vireo.dev/v1alpha1' ? [] : ['apiVersion: must be vireo.dev/v1alpha1']),
    ...(kind === 'Scenario' ? [] : ['kind: must be Scenario']),
  ];
  const schema = compileSchema(relaxedSchema(scenarioSchema, 'Scenario'));
  const unknown = schema.prune(body).map((path) => `${path}: unknown field`);
  const wrong = schema.validate(body).map(({ field, message }) => `${field}: ${message}`);
  const problems = [...head, ...unknown, ...wrong];
  if (problems.length > 0) throw invalid(source, problems);
  // The schema above has just held for it.
  const file = body as ScenarioFile;
  const broken = references(file);
  if (broken.length > 0) throw invalid(source, broken);
  return file;
}

/** Names that lead nowhere, and names given twice. */
function references(file: ScenarioFile): string[] {
  const hosts = new Set(file.hosts.map(({ name }) => name));
  const groups = new Set((file.groups ?? []).map(({ name }) => name));
  const problems = [
    ...twice('hosts', file.hosts),
    ...twice('guests', file.guests ?? []),
    ...twice('groups', file.groups ?? []),
    ...twice('rules', file.rules ?? []),
  ];
  if (hosts.size === 0) problems.push('hosts: there must be one at least');
  if (file.leader !== undefined && !hosts.has(file.leader))
    problems.push(`leader: there is no host ${file.leader}`);
  for (const [index, { host, group }] of (file.guests ?? []).entries()) {
    if (host !== undefined && !hosts.has(host))
      problems.push(`guests[${index}].host: there is no host ${host}`);
    if (group !== undefined && !groups.has(group))
      problems.push(`guests[${index}].group: there is no group ${group}`);
  }
  for (const [index, entry] of (file.timeline ?? []).entries()) {
    const problem = entryProblem(entry, hosts);
    if (problem !== undefined) problems.push(`timeline[${index}]: ${problem}`);
  }
  return problems;
}

function twice(list: string, items: readonly { name: string }[]): string[] {
  const seen = new Set<string>();
  return items.flatMap(({ name }, index) => {
    const isKnown = seen.has(name);
    seen.add(name);
    return isKnown ? [`${list}[${index}].name: ${name} is there twice`] : [];
  });
}

function invalid(source: string, problems: readonly string[]): ReasonedError {
  return new ReasonedError('ScenarioInvalid', problems.map((problem) => `${source}: ${problem}`).join('\n'), {
    stalled: true,
  });
}
