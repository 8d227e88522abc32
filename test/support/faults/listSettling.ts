/** Lists once, as a dataset with this settle time (ms), and prints the states. A program, so that its clock can be wrong. */

import { listFiles } from '../../../src/activities/listFiles.ts';
import { readConfig } from '../../../src/config.ts';
import { inc } from '../../../src/datasets/inc.ts';
import { NOTHING_SEEN } from '../../../src/domain/listing.ts';
import { createPool } from '../../../src/postgres/pool.ts';
import { createObjectStore } from '../../../src/s3/createObjectStore.ts';

const config = readConfig();
const store = createObjectStore(config.s3);
const pool = createPool(config.postgres, 1);
const { files } = await listFiles(
  { datasets: [{ ...inc, settleMs: Number(process.argv[2]) }], store, pool },
  { dataset: inc.name, limit: 100, seen: NOTHING_SEEN },
  { signal: new AbortController().signal, provenance: {} },
);
process.stdout.write(files.map(({ state }) => state).join(' '));
await pool.end();
store.destroy();
