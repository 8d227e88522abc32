/** What a worker looks at before it works: what stops all datasets ends it, what stops one is logged. */

import { Problem } from './client/problem.ts';
import { printable } from './client/terminal.ts';
import type { Dataset } from './datasets/dataset.ts';
import { TidemarkFailure } from './domain/failures.ts';
import { MIN_LOADS, slotsOf } from './domain/slots.ts';
import { boundOf, connectionSum, readServerFacts, roomOf } from './postgres/inspect.ts';
import type { Pool } from './postgres/pool.ts';
import { readTableFaults } from './postgres/tableFaults.ts';
import type { ObjectStore } from './s3/objectStore.ts';

/** Takes what is found. */
interface Log {
  warn(message: string): unknown;
  error(message: string, facts?: Readonly<Record<string, unknown>>): unknown;
}

/**
 * A load that gets no connection is tried again and again, and nothing says why: so this does, with the numbers.
 *
 * @throws Problem where this worker's pool alone is larger than what it may ever have. Others' pools only make it warn:
 *   a worker that is being replaced still has its own.
 */
export async function checkConnections(pool: Pool, loads: number, log: Log): Promise<void> {
  const facts = await readServerFacts(pool);
  const { connections } = slotsOf(loads);
  const bound = boundOf(facts);
  if (roomOf(facts) >= connections && bound >= connections) return;
  const bounds = Number.isFinite(bound) ? `; login and database may have ${bound}` : '';
  const said =
    `this worker opens up to ${connections} connections to PostgreSQL (TIDEMARK_LOADS = ${loads}, three each), and ` +
    `${connectionSum(facts)}${bounds}`;
  const most = Math.min(bound, facts.maxConnections - facts.reservedConnections);
  if (connections > most) {
    const fits = Math.floor(most / 3);
    const mend =
      fits < MIN_LOADS ? 'Raise the bound' : `Set TIDEMARK_LOADS to at most ${fits}, or raise the bound`;
    throw new Problem(`${said}: it can never have more than ${most}. ${mend}`);
  }
  log.warn(`${said}: lower TIDEMARK_LOADS, run fewer workers or raise max_connections`);
}

/** A table that is not as its dataset says keeps that dataset from being loaded, and no other. */
export async function tellOfTables(pool: Pool, datasets: readonly Dataset[], log: Log): Promise<void> {
  for (const dataset of datasets) {
    for (const { what, mend } of await readTableFaults(pool, dataset)) {
      log.error(`${dataset.name}: ${printable(what)}. Mend it: ${printable(mend)}`, {
        dataset: dataset.name,
      });
    }
  }
}

/**
 * A bucket that is gone, or a policy that is wrong, keeps its own datasets from being loaded, and no other.
 *
 * @throws TidemarkFailure of the first dataset, where none can be listed
 */
export async function checkPrefixes(
  store: Pick<ObjectStore, 'check'>,
  datasets: readonly Dataset[],
  log: Log,
): Promise<void> {
  const failures: TidemarkFailure[] = [];
  const check = async ({ name, changesPrefix }: Dataset): Promise<void> => {
    try {
      await store.check({ prefix: changesPrefix });
    } catch (error) {
      if (!(error instanceof TidemarkFailure)) throw error;
      failures.push(error.at({ dataset: name }));
    }
  };
  await Promise.all(datasets.map(check));
  const [first] = failures;
  if (first && failures.length === datasets.length) throw first;
  for (const failure of failures) {
    const { kind, details } = failure;
    log.error(`${printable(failure.message)}. Its runs fail until then; those of other datasets go on`, {
      dataset: details.dataset,
      kind,
    });
  }
}
