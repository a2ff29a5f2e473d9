/** The fallback for servers and proxies without HTTP/2: kept-alive HTTP/1.1 connections, one per request under way. */
import * as http from 'node:http';
import * as https from 'node:https';
import type { ConnectionOptions } from 'node:tls';
import type { Connection, HttpResponse } from './connection.ts';

/** TCP probes find a dead peer under a silent watch. */
const AGENT_OPTIONS = { keepAlive: true, keepAliveMsecs: 10_000, maxFreeSockets: 4 };

/** A pool of HTTP/1.1 connections to `server`, with or without TLS. */
export function http1Connection(server: URL, tls: ConnectionOptions): Connection {
  const secure = server.protocol === 'https:';
  const agent = secure ? new https.Agent({ ...AGENT_OPTIONS, ...tls }) : new http.Agent(AGENT_OPTIONS);
  const send = secure ? https.request : http.request;
  let closed = false;
  return {
    exchange: ({ method, path, headers, body }, signal) =>
      new Promise<HttpResponse>((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
        const options = { agent, method, headers: { ...headers, ...length }, signal };
        const request = send(new URL(path, server.origin), options, (response) => {
          const isComplete = (): boolean => response.complete;
          resolve({ code: response.statusCode ?? 0, headers: response.headers, body: response, isComplete });
        });
        request.on('error', (error) => reject(signal.aborted ? signal.reason : error));
        request.end(body);
      }),
    usable: () => !closed,
    close: () => {
      closed = true;
      agent.destroy();
    },
  };
}
