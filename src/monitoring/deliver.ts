/** Sends what is posted: one worker at a time each message, some times, for some time, and then not any more. */

import { createHmac } from 'node:crypto';
import { settle, takeDue, type DueMessage } from '../postgres/webhook.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { httpCall } from './httpCall.ts';

/** Where messages go. */
export interface Webhook {
  readonly url: URL;
  /** Signs them; absent: they are not signed. */
  readonly secret?: string;
}

/** How hard it is tried. */
export interface DeliveryLimits {
  /** For the receiver to answer. */
  readonly timeoutMs: number;
  /** Before the second attempt; it doubles with each. Longer than `timeoutMs`: nobody else tries meanwhile. */
  readonly backoffMs: number;
  readonly longestMs: number;
  readonly attempts: number;
  /** Since it was posted: older news is not sent. */
  readonly maxAgeMs: number;
  /** Messages in a row; the next look goes on. */
  readonly atOnce: number;
}

/** About 25 minutes in all. */
export const DELIVERY: DeliveryLimits = {
  timeoutMs: 10_000,
  backoffMs: 15_000,
  longestMs: 300_000,
  attempts: 8,
  maxAgeMs: 3_600_000,
  atOnce: 20,
};

/** What may become of an attempt. */
export const DELIVERIES = ['delivered', 'failed', 'given up'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/** Sends what is due, up to the first that is not taken. */
export async function deliverDue(
  db: Queryable,
  webhook: Webhook,
  limits: DeliveryLimits,
  onDelivery: (delivery: Delivery) => void,
  stop: AbortSignal,
): Promise<void> {
  const { backoffMs: leaseMs, longestMs } = limits;
  for (let sent = 0; sent < limits.atOnce && !stop.aborted; sent++) {
    const message = await takeDue(db, { leaseMs, longestMs });
    if (!message) return;
    const old = message.ageMs > limits.maxAgeMs;
    const taken = !old && (await send(webhook, message, limits.timeoutMs, stop));
    if (taken) {
      await settle(db, { id: message.id, as: 'sent' });
      onDelivery('delivered');
    } else if (old || message.attempts >= limits.attempts) {
      await settle(db, { id: message.id, as: 'given up' });
      onDelivery('given up');
    } else {
      onDelivery('failed');
      // The others would fare no better now.
      return;
    }
  }
}

/** @returns whether the receiver took it, which any 2xx says */
async function send(
  { url, secret }: Webhook,
  message: DueMessage,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<boolean> {
  const body = JSON.stringify({ id: message.id, ...message.body });
  const timestamp = String(message.now);
  const signature = secret === undefined ? undefined : signatureOf(secret, timestamp, body);
  try {
    const { status } = await httpCall({
      url,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'tidemark',
        'x-tidemark-id': message.id,
        'x-tidemark-timestamp': timestamp,
        ...(signature !== undefined && { 'x-tidemark-signature': signature }),
      },
      body,
      timeoutMs,
      signal,
      maxBytes: 0,
    });
    return status >= 200 && status < 300;
  } catch {
    // Whatever it was, it is tried again; its message may quote the URL, which may be a secret.
    return false;
  }
}

function signatureOf(secret: string, timestamp: string, body: string): string {
  return `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}
