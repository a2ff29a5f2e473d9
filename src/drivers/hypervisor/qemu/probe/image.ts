/** The assembled probe.S that lies beside this file: 190 bytes that tell whether an accelerator really runs guest code. */

const base64 =
  'ArCtGwAAAQD+T1HkAAAQAAAAEAC+ABAAvgAQACAAEADHBQAAIAADECAAxwUEACAAAAAAAMcFABAgAAMgIADHBQQQIAAAAAAAxwUAICAAgwAA' +
  'AMcFBCAgAAAAAAAPIOCDyCAPIuC4AAAgAA8i2LmAAADADzINAAEAAA8wDyDADQEAAIAPIsAPARW4ABAA6pQAEAAIAEjHwQAtMQFI/8l1+7Aq' +
  '5vT06/2QAAAAAAAAAAD//wAAAJqvAA8AqAAQAA==';

/** The kernel image to give to QEMU. */
export function probeImage(): Uint8Array {
  return Buffer.from(base64, 'base64');
}

/** What QEMU exits with when the probe has come to its end. */
export const probeSuccess = 85;
