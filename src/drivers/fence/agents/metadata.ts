/** Reads what a fence agent says of itself: `-o metadata`, the XML of the FenceAgentAPI (https://github.com/ClusterLabs/fence-agents/blob/main/doc/FenceAgentAPI.md). */
import { DOMParser, type Element } from '@xmldom/xmldom';
import { ReasonedError } from '../../../base/outcome.ts';
import type { FenceAgentFacts, FenceParameter } from '../contract.ts';

const TYPES = ['string', 'boolean', 'integer', 'second', 'select'] as const;

function children(element: Element, name: string): Element[] {
  return [...element.getElementsByTagName(name)];
}

function text(element: Element, name: string): string {
  return (children(element, name)[0]?.textContent ?? '').replace(/\s+/g, ' ').trim();
}

function isSet(element: Element, attribute: string): boolean {
  return element.getAttribute(attribute) === '1';
}

function parameterOf(element: Element): FenceParameter {
  const [content] = children(element, 'content');
  const fallback = content?.getAttribute('default') ?? '';
  const obsoletes = element.getAttribute('obsoletes');
  return {
    name: element.getAttribute('name') ?? '',
    description: text(element, 'shortdesc'),
    type: TYPES.find((type) => type === content?.getAttribute('type')) ?? 'string',
    required: isSet(element, 'required'),
    ...(fallback === '' ? {} : { default: fallback }),
    options:
      content === undefined
        ? []
        : children(content, 'option').map((option) => option.getAttribute('value') ?? ''),
    deprecated: isSet(element, 'deprecated'),
    ...(obsoletes ? { obsoletes } : {}),
  };
}

/** Throws ReasonedError FenceFailed when it is no metadata. */
export function parseMetadata(agent: string, xml: string): FenceAgentFacts {
  const root = parse(agent, xml);
  const actions = children(root, 'action');
  // A cut machine is not switched on by itself, an unblocked port is: this is how agents mark fabric fencing.
  const fabric = actions.some((action) => action.getAttribute('name') === 'on' && isSet(action, 'automatic'));
  return {
    name: agent,
    description: root.getAttribute('shortdesc') ?? '',
    reach: fabric ? 'Fabric' : 'Power',
    actions: actions.map((action) => action.getAttribute('name') ?? ''),
    parameters: children(root, 'parameter').map(parameterOf),
  };
}

function parse(agent: string, xml: string): Element {
  let problem: unknown;
  try {
    const root = new DOMParser({ onError: () => {} }).parseFromString(xml, 'text/xml').documentElement;
    if (root?.tagName === 'resource-agent') return root;
  } catch (error) {
    problem = error;
  }
  throw new ReasonedError('FenceFailed', `${agent} gives no metadata of the FenceAgentAPI`, {
    cause: problem,
  });
}
