/** Looks for alerts and sends messages, again and again, until it is stopped. */

import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import type { Counter } from 'prom-client';
import { TidemarkFailure } from '../domain/failures.ts';
import { framesOf } from '../domain/frames.ts';
import { deliverDue, DELIVERY, type Delivery, type DeliveryLimits, type Webhook } from './deliver.ts';
import { lookForAlerts, type LookInput } from './alertWatch.ts';

/** Between two looks. */
const EVERY_MS = 15_000;

/** What is looked at, where messages go. */
export interface AlertingInput extends LookInput {
  readonly webhook: Webhook;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  readonly deliveries?: Counter<'outcome'>;
  /** For tests: other times. */
  readonly everyMs?: number;
  readonly delivery?: DeliveryLimits;
}

/** Begins. @returns stops it, once what it does at the moment is done */
export function startAlerting(input: AlertingInput): () => Promise<void> {
  const stopping = new AbortController();
  const running = alert(input, stopping.signal);
  return async () => {
    stopping.abort();
    await running;
  };
}

async function alert(input: AlertingInput, stop: AbortSignal): Promise<void> {
  const { pool, webhook, log, deliveries, everyMs = EVERY_MS, delivery = DELIVERY } = input;
  const onDelivery = (outcome: Delivery): void => {
    deliveries?.inc({ outcome });
    if (outcome === 'given up') log.warn('the webhook did not take a message; it is given up');
  };
  let works = true;
  while (!stop.aborted) {
    try {
      await lookForAlerts(input);
      if (!stop.aborted) await deliverDue(pool, webhook, delivery, onDelivery, stop);
      if (!works) log.info('alerts are looked for again');
      works = true;
    } catch (error) {
      // PostgreSQL, mostly: said once.
      const said = error instanceof TidemarkFailure ? { error } : { frames: framesOf(error) };
      if (works) log.warn('alerts cannot be looked for; it is tried again', said);
      works = false;
    }
    await delay(everyMs, undefined, { signal: stop }).catch(() => undefined);
  }
}
