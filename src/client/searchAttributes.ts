/** The search attributes of runs: registered where the server allows, used where it has them. */

import type { Client } from '@temporalio/client';
import { isGrpcServiceError } from '@temporalio/client';
import { missingAttributes, SEARCH_ATTRIBUTES, DATASET_ATTRIBUTE } from '../domain/searchAttributes.ts';

/** The server's operator service does what it is asked within a second, if at all. */
const ASK_MS = 5_000;

/** A new attribute is known to all parts of the server only after some seconds, by their caches. */
const KNOWN_MS = 30_000;

/** Between two looks. */
const LOOK_MS = 250;

/** For the options of a start. */
export interface StartAttributes {
  readonly typedSearchAttributes?: [{ key: typeof DATASET_ATTRIBUTE; value: string }];
}

/** The attributes that a run of the dataset is started with: none where the server does not have them. */
export async function startAttributes(client: Client, dataset: string): Promise<StartAttributes> {
  const missing = await missingAt(client).catch(() => undefined);
  return missing?.length === 0 ? { typedSearchAttributes: [{ key: DATASET_ATTRIBUTE, value: dataset }] } : {};
}

/**
 * Registers the attributes that the namespace lacks, and waits until a run may have them.
 *
 * @returns the names of those registered
 * @throws the server's refusal
 */
export async function registerAttributes(client: Client): Promise<readonly string[]> {
  const missing = await missingAt(client);
  if (missing.length === 0) return [];
  const searchAttributes = Object.fromEntries(missing.map((name) => [name, SEARCH_ATTRIBUTES[name] ?? 0]));
  const { connection, options } = client;
  await client.withDeadline(Date.now() + ASK_MS, () =>
    connection.operatorService.addSearchAttributes({ namespace: options.namespace, searchAttributes }),
  );
  for (const deadline = Date.now() + KNOWN_MS; Date.now() < deadline && !(await areKnown(client));)
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  return missing;
}

async function missingAt(client: Client): Promise<readonly string[]> {
  const { connection, options } = client;
  const { customAttributes } = await client.withDeadline(Date.now() + ASK_MS, () =>
    connection.operatorService.listSearchAttributes({ namespace: options.namespace }),
  );
  return missingAttributes(customAttributes);
}

/** Whether visibility takes them in a query. */
async function areKnown(client: Client): Promise<boolean> {
  const query = Object.keys(SEARCH_ATTRIBUTES)
    .map((name) => `${name} = 'x'`)
    .join(' AND ');
  try {
    await client.workflow.count(query);
    return true;
  } catch (error) {
    if (!isGrpcServiceError(error)) throw error;
    return false;
  }
}
