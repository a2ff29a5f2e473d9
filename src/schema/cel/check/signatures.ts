/**
 * The functions and operators that rules of kube-apiserver 1.33 may call (apiserver, cel/environment/base.go), as signatures: A and B stand
 * for any type, a dot before the name for a method of the first type.
 */
import { dyn, optionalOf, scalar, type Type } from './type.ts';

export type Signature = { types: readonly Type[]; result: Type; isMethod: boolean };

const table = `
_?_:_ (bool, A, A) A
_==_ _!=_ (A, A) bool
_<_ _<=_ _>_ _>=_ (bool, bool | int, int | int, uint | int, double | uint, uint | uint, int | uint, double) bool
_<_ _<=_ _>_ _>=_ (double, double | double, int | double, uint | string, string | bytes, bytes) bool
_<_ _<=_ _>_ _>=_ (timestamp, timestamp | duration, duration) bool
_+_ _-_ _*_ _/_ _%_ (int, int) int
_+_ _-_ _*_ _/_ _%_ (uint, uint) uint
_+_ _-_ _*_ _/_ (double, double) double
_+_ (string, string) string
_+_ (bytes, bytes) bytes
_+_ (list(A), list(A)) list(A)
_+_ _-_ (duration, duration) duration
_+_ (duration, timestamp) timestamp
_+_ _-_ (timestamp, duration) timestamp
_-_ (timestamp, timestamp) duration
!_ (bool) bool
-_ (int) int
-_ (double) double
_[_] (list(A), int) A
_[_] (map(A, B), A) B
_[_] _[?_] (optional(list(A)), int) optional(A)
_[_] _[?_] (optional(map(A, B)), A) optional(B)
_[?_] (list(A), int) optional(A)
_[?_] (map(A, B), A) optional(B)
@in (A, list(A) | A, map(A, B)) bool

size .size (string | bytes | list(A) | map(A, B)) int
type (A) type(A)
dyn (A) dyn
bool (bool | string) bool
bytes (bytes | string) bytes
double (double | int | string | uint) double
duration (duration | int | string) duration
int (int | double | duration | string | timestamp | uint) int
string (string | bool | bytes | double | duration | int | timestamp | uint | net.IP | net.CIDR) string
timestamp (timestamp | int | string) timestamp
uint (uint | double | int | string) uint
.getFullYear .getMonth .getDayOfYear .getDayOfMonth .getDate .getDayOfWeek .getHours .getMinutes .getSeconds .getMilliseconds (timestamp | timestamp, string) int
.getHours .getMinutes .getSeconds .getMilliseconds (duration) int

optional.of optional.ofNonZeroValue (A) optional(A)
optional.none () optional(A)
.value (optional(A)) A
.hasValue (optional(A)) bool
.or (optional(A), optional(A)) optional(A)
.orValue (optional(A), A) A
optional.unwrap .unwrapOpt (list(optional(A))) list(A)
.first .last (list(A)) optional(A)

.contains .endsWith .startsWith (string, string) bool
matches .matches (string, string) bool
.charAt (string, int) string
.indexOf .lastIndexOf (string, string | string, string, int) int
.join (list(string) | list(string), string) string
.lowerAscii .upperAscii .trim (string) string
.replace (string, string, string | string, string, string, int) string
.split (string, string | string, string, int) list(string)
.substring (string, int | string, int, int) string
.format (string, list(dyn)) string
strings.quote (string) string
.find (string, string) string
.findAll (string, string | string, string, int) list(string)

.isSorted (list(int) | list(uint) | list(double) | list(bool) | list(duration) | list(timestamp) | list(string) | list(bytes)) bool
.sum .min .max (list(int)) int
.sum .min .max (list(uint)) uint
.sum .min .max (list(double)) double
.sum .min .max (list(duration)) duration
.min .max (list(bool)) bool
.min .max (list(timestamp)) timestamp
.min .max (list(string)) string
.min .max (list(bytes)) bytes
.indexOf .lastIndexOf (list(A), A) int
sets.contains sets.equivalent sets.intersects (list(A), list(A)) bool

isURL isQuantity isIP isCIDR ip.isCanonical (string) bool
url (string) kubernetes.URL
.getScheme .getHost .getHostname .getPort .getEscapedPath (kubernetes.URL) string
.getQuery (kubernetes.URL) map(string, list(string))
quantity (string) kubernetes.Quantity
sign (kubernetes.Quantity) int
.asInteger (kubernetes.Quantity) int
.isInteger (kubernetes.Quantity) bool
.asApproximateFloat (kubernetes.Quantity) double
.isGreaterThan .isLessThan (kubernetes.Quantity, kubernetes.Quantity) bool
.compareTo (kubernetes.Quantity, kubernetes.Quantity) int
.add .sub (kubernetes.Quantity, kubernetes.Quantity | kubernetes.Quantity, int) kubernetes.Quantity
ip (string) net.IP
.family (net.IP) int
.isUnspecified .isLoopback .isLinkLocalMulticast .isLinkLocalUnicast .isGlobalUnicast (net.IP) bool
cidr (string) net.CIDR
.containsIP (net.CIDR, string | net.CIDR, net.IP) bool
.containsCIDR (net.CIDR, string | net.CIDR, net.CIDR) bool
.ip (net.CIDR) net.IP
.prefixLength (net.CIDR) int
.masked (net.CIDR) net.CIDR
format.named (string) optional(kubernetes.NamedFormat)
format.dns1123Label format.dns1123Subdomain format.dns1035Label format.dns1123LabelPrefix format.dns1123SubdomainPrefix () kubernetes.NamedFormat
format.dns1035LabelPrefix format.qualifiedName format.labelValue format.uri format.uuid format.byte format.date format.datetime () kubernetes.NamedFormat
.validate (kubernetes.NamedFormat, string) optional(list(string))
`;

/** The signatures of each name; methods stand under the name without a dot, beside functions of that name. */
export function readSignatures(): ReadonlyMap<string, readonly Signature[]> {
  const signatures = new Map<string, Signature[]>();
  for (const line of table.split('\n').filter((each) => each !== '')) {
    const [, names = '', types = '', result = ''] = /^(.*?) \((.*)\) (.*)$/.exec(line) ?? [];
    for (const written of names.split(' ')) {
      const isMethod = written.startsWith('.');
      const name = isMethod ? written.slice(1) : written;
      const known = signatures.get(name) ?? [];
      for (const one of types.split(' | ')) {
        known.push({ types: readTypes(one), result: readType(result), isMethod });
      }
      signatures.set(name, known);
    }
  }
  return signatures;
}

/** Reads types between commas, those within brackets belonging to the type before. */
function readTypes(source: string): Type[] {
  const parts = source.match(/[^,()\s]+(\((?:[^()]|\([^()]*\))*\))?/g) ?? [];
  return parts.map(readType);
}

function readType(source: string): Type {
  const [, name = '', inner] = /^([^(]+)(?:\((.*)\))?$/.exec(source) ?? [];
  if (inner === undefined) {
    if (name === 'dyn') return dyn;
    return name === 'A' || name === 'B' ? { kind: 'unknown', name } : scalar(name);
  }
  const types = readTypes(inner);
  return name === 'optional' ? optionalOf(types[0] ?? dyn) : { kind: 'of', name, types };
}
