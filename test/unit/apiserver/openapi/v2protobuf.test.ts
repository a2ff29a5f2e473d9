/** The OpenAPI v2 document in protobuf: byte by byte what Go's own library writes for the same document. */
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { OpenApiV2 } from '../../../../src/apiserver/openapi/v2.ts';
import { openApiV2Bytes } from '../../../../src/apiserver/openapi/v2protobuf.ts';

type Golden = { document: OpenApiV2; bytes: string };

async function golden(): Promise<Golden> {
  return JSON.parse(await readFile(new URL('gnostic.json', import.meta.url), 'utf8')) as Golden;
}

describe('the OpenAPI v2 document in protobuf', () => {
  it('is what gnostic makes of it', async () => {
    const { document, bytes } = await golden();
    expect(openApiV2Bytes(document).toString('base64')).toBe(bytes);
  });

  it('leaves nothing out that the document says: another word gives other bytes', async () => {
    const { document, bytes } = await golden();
    const text = JSON.stringify(document);
    for (const word of text.match(/(?<=:|\[|,)("[^"]+"(?!:)|\d[\d.]*|true)/g) ?? []) {
      const other = word === 'true' ? 'false' : word.startsWith('"') ? `"other ${word.slice(1)}` : `1${word}`;
      const changed = JSON.parse(text.replace(new RegExp(`([:[,])${literally(word)}(?!:)`), `$1${other}`));
      expect(openApiV2Bytes(changed as OpenApiV2).toString('base64'), word).not.toBe(bytes);
    }
  });
});

function literally(word: string): string {
  return word.replace(/[$^*+?.()|[\]{}\\]/g, '\\$&');
}
