/**
 * The short way for requests that come by the thousand: signed by the SDK's signer and sent by its HTTP handler, without
 * its middleware, which takes four times as much CPU as both (docs/decisions/0008).
 *
 * It is for the answer that is expected. Whatever else comes of a request, the caller sends the SDK's command, which
 * says what is wrong, repeats what can be repeated, and corrects a wrong clock.
 */

import { Readable } from 'node:stream';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SendOptions } from './call.ts';
import type { S3Context } from './client.ts';
import type { ObjectKey } from '../domain/changeFile.ts';

/** A request without a body. */
export interface DirectRequest {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly key: ObjectKey;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer whose status was the expected one. */
export interface DirectAnswer {
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** To be read to its end, or destroyed. */
  readonly body: Readable;
}

/** Where the bucket's objects are, and how requests for them are signed: as the SDK's own requests showed it. */
export interface DirectWay {
  readonly protocol: string;
  readonly hostname: string;
  readonly port: number | undefined;
  /** The path before the key, without its slash. */
  readonly base: string;
  readonly host: string;
  readonly userAgent: string;
  readonly signer: Awaited<ReturnType<S3Client['config']['signer']>>;
  readonly signingRegion: string;
  readonly signingService: string;
}

/** Keys that stand in a path as they are, whatever encodes it; ours are such. */
const PLAIN_KEY = /^(?:[\w~-][\w.~-]*\/)*[\w~-][\w.~-]*$/;

/** Commands whose path ends with a key. */
const OF_OBJECTS = new Set(['GetObjectCommand', 'HeadObjectCommand', 'CopyObjectCommand']);

/**
 * Sends a request on the short way.
 *
 * @param expected the only status that is an answer
 * @returns `undefined` where it got no such answer, or no way is known yet: send the SDK's command
 */
export async function sendDirect(
  { client, learnt }: S3Context,
  request: DirectRequest,
  input: { readonly expected: number; readonly options: SendOptions },
): Promise<DirectAnswer | undefined> {
  const { way } = learnt;
  if (!way || !PLAIN_KEY.test(request.key)) return undefined;
  try {
    const { protocol, hostname, port, base, signer, signingRegion, signingService } = way;
    const path = `${base}/${request.key}`;
    const headers = { host: way.host, 'user-agent': way.userAgent, ...request.headers };
    const { method } = request;
    const signed = await signer.sign(
      { protocol, hostname, ...(port !== undefined && { port }), path, method, query: {}, headers },
      { signingDate: new Date(Date.now() + client.config.systemClockOffset), signingRegion, signingService },
    );
    const { response } = await client.config.requestHandler.handle(signed as never, input.options);
    const body: unknown = response.body;
    if (!(body instanceof Readable)) return undefined;
    if (response.statusCode === input.expected) return { headers: response.headers, body };
    // Whatever it says, the SDK's command will be told it again.
    body.on('error', () => undefined).destroy();
    return undefined;
  } catch {
    // Not in silence: the SDK's command meets the same server, and fails with what it finds.
    return undefined;
  }
}

/** The same for an answer of a few bytes. @returns its text, read to its end; `undefined` as `sendDirect` */
export async function textDirect(
  context: S3Context,
  request: DirectRequest,
  input: { readonly expected: number; readonly options: SendOptions },
): Promise<string | undefined> {
  const answer = await sendDirect(context, request, input);
  if (!answer) return undefined;
  try {
    let text = '';
    for await (const chunk of answer.body) text += String(chunk);
    return text;
  } catch {
    // As in `sendDirect`. What was done is not done twice: the requests have conditions.
    return undefined;
  }
}

/** Lets a client show the way: what it sent of its own, and was answered well. */
export function learnWay(client: S3Client, learnt: S3Context['learnt']): void {
  client.middlewareStack.add(
    (next, context) => async (args) => {
      const result = await next(args);
      if (learnt.way === undefined && OF_OBJECTS.has(context.commandName ?? '')) {
        const way = await wayOf(client, args, context['endpointV2']);
        if (way) learnt.way = way;
      }
      return result;
    },
    { step: 'finalizeRequest', priority: 'low', name: 'tidemarkLearnWay' },
  );
}

/** The way of one request; `undefined` where it is signed in another manner, or its path is not as ours will be. */
async function wayOf(
  client: S3Client,
  { request, input }: { readonly request: unknown; readonly input: object },
  endpoint: unknown,
): Promise<DirectWay | undefined> {
  const scheme = authSchemeOf(endpoint);
  const key = 'Key' in input ? input.Key : undefined;
  const sent = request as {
    readonly protocol: string;
    readonly hostname: string;
    readonly port?: number;
    readonly path: string;
    readonly headers: Readonly<Record<string, string | undefined>>;
  };
  const { host, 'user-agent': userAgent } = sent.headers;
  if (!scheme || typeof key !== 'string' || !PLAIN_KEY.test(key) || !sent.path.endsWith(`/${key}`))
    return undefined;
  if (host === undefined || userAgent === undefined) return undefined;
  const { protocol, hostname, port } = sent;
  const base = sent.path.slice(0, -key.length - 1);
  const signer = await client.config.signer();
  return { protocol, hostname, port, base, host, userAgent, signer, ...scheme };
}

/** Plain SigV4 alone: sessions of directory buckets and signatures for several regions are the SDK's business. */
function authSchemeOf(endpoint: unknown): Pick<DirectWay, 'signingRegion' | 'signingService'> | undefined {
  const { properties } = endpoint as {
    readonly properties?: { readonly authSchemes?: readonly Record<string, unknown>[] };
  };
  const scheme = properties?.authSchemes?.[0];
  if (scheme?.['name'] !== 'sigv4') return undefined;
  const { signingRegion, signingName } = scheme;
  if (typeof signingRegion !== 'string' || typeof signingName !== 'string') return undefined;
  return { signingRegion, signingService: signingName };
}
