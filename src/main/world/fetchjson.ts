/** Reads small JSON documents over https, with an authority of one's own where the system does not know it. */
import { request } from 'node:https';

const sizeLimitBytes = 1024 * 1024;

/** Makes the reader; `ca` is PEM. It follows no redirects and rejects for anything but 200. */
export function jsonFetcher(ca?: string): (url: string, signal: AbortSignal) => Promise<unknown> {
  return (url, signal) =>
    new Promise((resolve, reject) => {
      const outgoing = request(url, { signal, ...(ca === undefined ? {} : { ca }) }, (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > sizeLimitBytes)
            outgoing.destroy(new Error(`${url} answers more than ${sizeLimitBytes} bytes`));
          else chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          if (response.statusCode !== 200) return reject(new Error(`${url} answers ${response.statusCode}`));
          try {
            resolve(JSON.parse(Buffer.concat(chunks).toString('utf8')));
          } catch {
            reject(new Error(`${url} answers no JSON`));
          }
        });
      });
      outgoing.on('error', reject);
      outgoing.end();
    });
}
