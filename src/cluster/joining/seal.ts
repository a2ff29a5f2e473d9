/** Encrypts what only the holder of a key may read: JWE (RFC 7516) with ECDH-ES (RFC 7518, 4.6) and AES-GCM. */

/** `publicKey` is SubjectPublicKeyInfo in PEM, P-256. The library is loaded only when a machine joins. */
export async function seal(value: unknown, publicKey: string): Promise<string> {
  const { CompactEncrypt, importSPKI } = await import('jose');
  return new CompactEncrypt(Buffer.from(JSON.stringify(value)))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
    .encrypt(await importSPKI(publicKey, 'ECDH-ES'));
}
