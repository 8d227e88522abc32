/** What the Temporal server offers beyond what a run needs. */

import { Context } from '@temporalio/activity';
import { missingAttributes } from '../domain/searchAttributes.ts';

/** A server that is slow to say so goes without: nothing depends on it. */
const ASK_MS = 2_000;

/** How long an answer holds: an administrator may add or remove them, or the server was only away. */
const HOLDS_MS = 5 * 60_000;

/** Whether the namespace has Tidemark's search attributes; no where it will not say. */
export async function hasSearchAttributes(): Promise<boolean> {
  try {
    const { connection, options } = Context.current().client;
    const ask = (): ReturnType<typeof connection.operatorService.listSearchAttributes> =>
      connection.operatorService.listSearchAttributes({ namespace: options.namespace });
    const { customAttributes } = await connection.withDeadline(Date.now() + ASK_MS, ask);
    return missingAttributes(customAttributes).length === 0;
  } catch {
    // Refused, or not offered at all.
    return false;
  }
}

/**
 * A question whose answer is kept for five minutes. Who asks meanwhile gets the same answer.
 *
 * @param ask must not fail
 * @param now milliseconds, of a clock that is never set
 */
export function kept(
  ask: () => Promise<boolean>,
  now: () => number = () => performance.now(),
): () => Promise<boolean> {
  let answer: Promise<boolean> | undefined;
  let until = 0;
  return () => {
    if (answer !== undefined && now() < until) return answer;
    until = now() + HOLDS_MS;
    answer = ask();
    return answer;
  };
}
