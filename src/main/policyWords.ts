/** What the admission policies of agents are put together from: CEL over an object and what it was. Pure. */
import { STARTED_ANNOTATION } from '../api/cluster.ts';

/** What a write is refused for. */
export type Validation = { expression: string; message: string };
/** A name for a CEL expression. */
export type Variable = { name: string; expression: string };

/** A field that may be absent is as it was. */
export function isSame(path: string): string {
  const [now, before] = [`object.${path}`, `oldObject.${path}`];
  return `has(${now}) == has(${before}) && (!has(${now}) || ${now} == ${before})`;
}

/** Of the metadata an agent writes the stamp that it has begun, and these finalizers. */
export function metadata(finalizers: readonly string[]): {
  variables: Variable[];
  validations: Validation[];
} {
  const or = (path: string, fallback: string) => `has(${path}) ? ${path} : ${fallback}`;
  const allowed = JSON.stringify(finalizers).replaceAll('"', "'");
  const within = (a: string, b: string) =>
    `variables.${a}.all(k, k == '${STARTED_ANNOTATION}' || (k in variables.${b} && variables.${a}[k] == variables.${b}[k]))`;
  const held = (a: string, b: string) => `variables.${a}.all(f, f in ${allowed} || f in variables.${b})`;
  return {
    variables: [
      { name: 'annotations', expression: or('object.metadata.annotations', '{}') },
      { name: 'oldAnnotations', expression: or('oldObject.metadata.annotations', '{}') },
      { name: 'finalizers', expression: or('object.metadata.finalizers', '[]') },
      { name: 'oldFinalizers', expression: or('oldObject.metadata.finalizers', '[]') },
    ],
    validations: [
      {
        expression: `${isSame('metadata.labels')} && ${isSame('metadata.ownerReferences')}`,
        message: 'agents do not write labels and owners',
      },
      {
        expression: `${within('annotations', 'oldAnnotations')} && ${within('oldAnnotations', 'annotations')}`,
        message: `of the annotations agents write ${STARTED_ANNOTATION} only`,
      },
      {
        expression: `${held('finalizers', 'oldFinalizers')} && ${held('oldFinalizers', 'finalizers')}`,
        message: `of the finalizers agents write ${finalizers.length === 0 ? 'none' : finalizers.join(', ')}`,
      },
    ],
  };
}
