/** Calls admission and conversion webhooks over https: one POST of a review, answered by a review. */
import { request } from 'node:https';
import type { CallWebhook } from '../../apiserver/admission/webhook.ts';
import { parseWide } from '../../schema/json.ts';

const sizeLimitBytes = 3 * 1024 * 1024;

/** Follows no redirects. Rejects for anything but 200, for an answer that is too large or no JSON, and when the signal is aborted. */
export const callWebhook: CallWebhook = ({ url, ca, body, signal }) =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(body)) };
    const options = { method: 'POST', headers, signal, ...(ca === undefined ? {} : { ca }) };
    const outgoing = request(url, options, (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > sizeLimitBytes)
          outgoing.destroy(new Error(`it answers more than ${sizeLimitBytes} bytes`));
        else chunks.push(chunk);
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode !== 200) return reject(new Error(`it answers ${response.statusCode}`));
        try {
          resolve(parseWide(Buffer.concat(chunks).toString('utf8')));
        } catch {
          reject(new Error('it answers no JSON'));
        }
      });
    });
    outgoing.on('error', (error) => reject(signal.aborted ? signal.reason : error));
    outgoing.end(body);
  });
