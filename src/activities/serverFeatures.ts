/** What the Temporal server offers beyond what a run needs. */

import { Context } from '@temporalio/activity';
import { missingAttributes } from '../domain/searchAttributes.ts';

/** A server that is slow to say so goes without: nothing depends on it. */
const ASK_MS = 2_000;

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
