import { once } from 'node:events';
import { request as requestHttp, type IncomingMessage } from 'node:http';
import { request as requestHttps } from 'node:https';

/** One request. */
export interface HttpCall {
  readonly url: URL;
  readonly method: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** From the name's look-up to the last byte. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Most bytes of the answer that are kept; the rest is not read. */
  readonly maxBytes: number;
}

/** Asks once, on a connection of its own, and follows no redirect. Fails where no answer comes in time. */
export async function httpCall(call: HttpCall): Promise<{ readonly status: number; readonly body: string }> {
  const { url, method, headers, body, timeoutMs, maxBytes } = call;
  const timeout = AbortSignal.timeout(timeoutMs);
  const request = (url.protocol === 'https:' ? requestHttps : requestHttp)(url, {
    method,
    headers: { ...headers, ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }) },
    agent: false,
    signal: call.signal ? AbortSignal.any([timeout, call.signal]) : timeout,
  });
  try {
    request.end(body);
    const [answer] = (await once(request, 'response')) as [IncomingMessage];
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) break;
      chunks.push(chunk);
    }
    return { status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() };
  } finally {
    // It may fail once more as it is torn down; what matters was thrown or returned.
    request.on('error', () => undefined);
    request.destroy();
  }
}
