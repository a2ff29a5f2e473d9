/**
 * Kubernetes' named formats in rules: `format.dns1123Label().validate(self)` gives an optional list of complaints.
 * https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-format-library
 */
import { type Environment, Optional } from '@marcbachmann/cel-js';
import { stringFormat } from '../formats.ts';

class FormatNamespace {}

/** A format by name: undefined means the text is valid, otherwise what is wrong. */
class NamedFormat {
  readonly check: (text: string) => string | undefined;
  constructor(check: (text: string) => string | undefined) {
    this.check = check;
  }
}

const label = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const label1035 = /^[a-z]([-a-z0-9]*[a-z0-9])?$/;
const qualifiedName = /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/;
const subdomain = (text: string) => text.length <= 253 && text.split('.').every((part) => label.test(part));

const formats: Readonly<Record<string, (text: string) => boolean>> = {
  dns1123Label: (text) => text.length <= 63 && label.test(text),
  dns1123Subdomain: subdomain,
  dns1035Label: (text) => text.length <= 63 && label1035.test(text),
  dns1123LabelPrefix: (text) => label.test(text.replace(/-$/, '')),
  dns1123SubdomainPrefix: (text) => subdomain(text.replace(/[-.]$/, '')),
  dns1035LabelPrefix: (text) => label1035.test(text.replace(/-$/, '')),
  labelValue: (text) => text === '' || (text.length <= 63 && qualifiedName.test(text)),
  qualifiedName: isQualifiedName,
  uri: stringFormat('uri') ?? never,
  uuid: (text) => /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text),
  byte: stringFormat('byte') ?? never,
  date: stringFormat('date') ?? never,
  datetime: stringFormat('date-time') ?? never,
};

export function registerFormats(environment: Environment): void {
  environment
    .registerType('NamedFormat', NamedFormat)
    .registerType('FormatNamespace', FormatNamespace)
    .registerConstant('format', 'FormatNamespace', new FormatNamespace())
    .registerFunction(
      'NamedFormat.validate(string): optional<list<string>>',
      (format: NamedFormat, text: string) => {
        const complaint = format.check(text);
        return complaint === undefined ? Optional.none() : Optional.of([complaint]);
      },
    );
  const named = new Map<string, NamedFormat>();
  for (const [name, matches] of Object.entries(formats)) {
    const format = new NamedFormat((text) => (matches(text) ? undefined : `must be a valid ${name}`));
    named.set(name, format);
    environment.registerFunction(`FormatNamespace.${name}(): NamedFormat`, () => format);
  }
  environment.registerFunction(
    'FormatNamespace.named(string): optional<NamedFormat>',
    (_: unknown, name: string) => Optional.of(named.get(name)),
  );
}

function isQualifiedName(text: string): boolean {
  const [name = '', prefix] = text.split('/').reverse();
  const named = name.length <= 63 && qualifiedName.test(name);
  return named && (prefix === undefined || subdomain(prefix)) && text.split('/').length <= 2;
}

function never(): boolean {
  return false;
}
