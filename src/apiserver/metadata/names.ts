/** The forms names, label keys and values may have, with the sentences of apimachinery's validation package. */

const labelForm = '[a-z0-9]([-a-z0-9]*[a-z0-9])?';
const qualifiedForm = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]';
const labelPattern = new RegExp(`^${labelForm}$`);
const label1035Pattern = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const subdomainPattern = new RegExp(`^${labelForm}(\\.${labelForm})*$`);
const qualifiedPattern = new RegExp(`^${qualifiedForm}$`);

/** A check of one string: what is wrong with it, in sentences; empty when nothing is. */
export type NameCheck = (value: string) => string[];

function tooLong(limit: number): string {
  return `must be no more than ${limit} characters`;
}

/** RFC 1123 label: names of namespaces. */
export const labelErrors: NameCheck = (value) => [
  ...(value.length > 63 ? [tooLong(63)] : []),
  ...(labelPattern.test(value)
    ? []
    : [
        `a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '${labelForm}')`,
      ]),
];

/** RFC 1035 label: plural names of CRDs. */
export const label1035Errors: NameCheck = (value) => [
  ...(value.length > 63 ? [tooLong(63)] : []),
  ...(label1035Pattern.test(value)
    ? []
    : [
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
      ]),
];

/** RFC 1123 subdomain: names of most objects. */
export const subdomainErrors: NameCheck = (value) => [
  ...(value.length > 253 ? [tooLong(253)] : []),
  ...(subdomainPattern.test(value)
    ? []
    : [
        `a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '${labelForm}(\\.${labelForm})*')`,
      ]),
];

/** One segment of a path: names of RBAC objects, which may hold colons. */
export const pathSegmentErrors: NameCheck = (value) => {
  if (value === '.' || value === '..') return [`may not be '${value}'`];
  return ['/', '%'].filter((part) => value.includes(part)).map((part) => `may not contain '${part}'`);
};

/** A key of labels, annotations and finalizers: `[prefix/]name`. */
export const labelKeyErrors: NameCheck = (value) => {
  const parts = value.split('/');
  const name = parts[parts.length - 1] ?? '';
  if (parts.length > 2) {
    return [
      `a qualified name ${qualifiedSentence} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ];
  }
  const prefix = parts.length === 2 ? (parts[0] ?? '') : undefined;
  return [
    ...(prefix === '' ? ['prefix part must be non-empty'] : []),
    ...(prefix ? subdomainErrors(prefix).map((error) => `prefix part ${error}`) : []),
    ...(name === '' ? ['name part must be non-empty'] : []),
    ...(name.length > 63 ? [`name part ${tooLong(63)}`] : []),
    ...(qualifiedPattern.test(name) ? [] : [`name part ${qualifiedSentence}`]),
  ];
};

const qualifiedSentence = `must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '${qualifiedForm}')`;

/** A value of a label. */
export const labelValueErrors: NameCheck = (value) => [
  ...(value.length > 63 ? [tooLong(63)] : []),
  ...(value === '' || qualifiedPattern.test(value)
    ? []
    : [
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ]),
];

/** A key of ConfigMap or Secret data. */
export const dataKeyErrors: NameCheck = (value) => {
  if (value === '.' || value === '..' || value.startsWith('..'))
    return [`must not start with '..' or be '.'`];
  return [
    ...(value.length > 253 ? [tooLong(253)] : []),
    ...(/^[-._a-zA-Z0-9]+$/.test(value)
      ? []
      : [
          "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        ]),
  ];
};
