/**
 * A process that calls the built activities as the worker does, without Temporal, and takes the time of each call.
 * Plain JavaScript, so that nothing but the build runs in it. Its parent is `loaderProcess.ts`.
 */

import { Session } from 'node:inspector/promises';

const dist = new URL('../../dist/', import.meta.url);
const load = async (path) => import(new URL(path, dist).href);
const { parseDatabaseUrl } = await load('postgres/address.js');
const { createPool } = await load('postgres/pool.js');
const { createObjectStore } = await load('s3/createObjectStore.js');
const { DATASETS } = await load('datasets/index.js');
const { listFiles } = await load('activities/listFiles.js');
const { loadFile } = await load('activities/loadFile.js');
const { moveFiles } = await load('activities/moveFiles.js');
const { readConfig } = await load('config.js');

const config = readConfig();
const deps = {
  datasets: DATASETS,
  // As many connections as the worker has.
  pool: createPool(parseDatabaseUrl(process.env.DATABASE_URL), 16),
  store: createObjectStore(config.s3),
};
const attempt = { signal: new AbortController().signal, provenance: {} };

const deeds = {
  /** Loads files one after the other. @returns what came of each, and the milliseconds that it took. */
  async load({ dataset, files }) {
    const loads = [];
    for (const { key, etag } of files) {
      const started = performance.now();
      const result = await loadFile(deps, { dataset, key, etag, mode: 'inOrder' }, attempt);
      loads.push({ ms: performance.now() - started, result });
    }
    return loads;
  },

  /** What a run does, as the simplest loop over the same functions. @returns the files loaded and moved, and the time. */
  async loop({ dataset, pageSize, seen }) {
    const started = performance.now();
    let after;
    let files = 0;
    do {
      const page = await listFiles(
        deps,
        { dataset, limit: pageSize, seen, ...(after && { after }) },
        attempt,
      );
      for (const { key, etag } of page.files) {
        const { outcome } = await loadFile(deps, { dataset, key, etag, mode: 'inOrder' }, attempt);
        if (outcome !== 'applied') throw new Error(`${key}: ${outcome}`);
        const { moved } = await moveFiles(
          deps,
          { dataset, files: [{ key, etag, to: 'processed' }] },
          attempt,
        );
        files += moved;
      }
      after = page.next;
    } while (after !== undefined);
    return { files, ms: performance.now() - started };
  },

  /** Loads one file under the CPU profiler. @returns the profile, as Chrome's developer tools read it. */
  async profile({ dataset, file }) {
    const session = new Session();
    session.connect();
    await session.post('Profiler.enable');
    await session.post('Profiler.setSamplingInterval', { interval: 500 });
    await session.post('Profiler.start');
    await deeds.load({ dataset, files: [file] });
    const { profile } = await session.post('Profiler.stop');
    session.disconnect();
    return profile;
  },
};

process.on('message', ({ deed, input }) => {
  deeds[deed](input).then(
    (result) => process.send({ result }),
    (error) => process.send({ error: `${error.stack ?? error}` }),
  );
});
// Its parent is gone, or done with it.
process.on('disconnect', () => process.exit());
process.send({ result: 'ready' });
