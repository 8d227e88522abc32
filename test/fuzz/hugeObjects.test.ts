import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { loadFile } from '../../src/activities/loadFile.ts';
import type { ObjectStore } from '../../src/s3/objectStore.ts';
import { fileName, INC_COLUMNS } from '../support/incFile.ts';
import { openWorld, type World } from '../support/world.ts';

const MIB = 1024 ** 2;
const CHUNK = 64 * 1024;
/** Far more than a load may hold in memory at once. */
const SIZE = 300 * MIB;
/** A load holds a record, some pieces and a block; the rest is what the garbage collector has not taken yet. */
const MAX_GROWTH = 160 * MIB;

const HEADER = `${INC_COLUMNS.join(',')}\n`;

/** Objects of 300 MiB that a careless reader would keep in memory: how they begin, and what comes then without end. */
const HOSTILE: Readonly<Record<string, { begin: string; more: string; kind: string; line?: number }>> = {
  'a header without end': { begin: '', more: 'x', kind: 'MalformedFile', line: 1 },
  'a header of commas without end': { begin: '', more: ',', kind: 'MalformedFile', line: 1 },
  'a quoted header without end': { begin: '"', more: 'x\n', kind: 'MalformedFile', line: 1 },
  'nothing but empty lines': { begin: '', more: '\n', kind: 'MalformedFile', line: 1 },
  'nothing but blank lines': { begin: '', more: ' \r\n', kind: 'MalformedFile', line: 1 },
  'a quote that is never closed': { begin: `${HEADER}"`, more: 'x\n', kind: 'MalformedFile', line: 2 },
  'a quote that closes and opens again': { begin: `${HEADER}"`, more: '""', kind: 'MalformedFile', line: 2 },
  'a line without end': { begin: HEADER, more: 'x', kind: 'MalformedFile', line: 2 },
  'fields without end': { begin: HEADER, more: ',', kind: 'MalformedFile', line: 2 },
  // Each row is judged, and counted; a kibibyte long, so that it does not take minutes.
  'rejected rows without end': {
    begin: HEADER,
    more: `${'x'.repeat(1_000)},\n`,
    kind: 'RowsRejected',
    line: 2,
  },
  'carriage returns without end': { begin: HEADER, more: '\r', kind: 'MalformedFile', line: 2 },
  'NULs without end': { begin: HEADER, more: '\0', kind: 'MalformedFile', line: 2 },
};

describe('a hostile object of 300 MiB', function () {
  this.timeout(120_000);
  let world: World;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());

  for (const [n, [what, { begin, more, kind, line }]] of Object.entries(HOSTILE).entries()) {
    it(`${what}: ${kind}, in bounded memory`, async () => {
      const key = inc.changesPrefix + fileName(n);
      const rss = process.memoryUsage.rss();
      let most = rss;
      const read: ObjectStore['read'] = async ({ etag }) => ({
        size: SIZE,
        etag,
        chunks: endless(begin, more, () => (most = Math.max(most, process.memoryUsage.rss()))),
      });
      // In memory, piece by piece: the server's disk has no part in this.
      const deps = { ...world.deps, store: { ...world.deps.store, read } };
      const input = { dataset: inc.name, key, etag: String(n), mode: 'inOrder' as const };
      const attempt = { signal: AbortSignal.timeout(100_000), provenance: {} };
      await assert.rejects(
        loadFile(deps, input, attempt),
        (error: { kind?: string; details?: { line?: number } }) => {
          assert.deepEqual([error.kind, error.details?.line], [kind, line]);
          return true;
        },
      );
      assert.ok(most - rss < MAX_GROWTH, `memory grew by ${((most - rss) / MIB).toFixed(0)} MiB`);
      assert.deepEqual(await world.ledger(), []);
    });
  }
});

/** The beginning, and then the same again and again. */
async function* endless(begin: string, more: string, each: () => void): AsyncGenerator<Buffer> {
  yield Buffer.from(begin);
  const piece = Buffer.from(more.repeat(Math.ceil(CHUNK / more.length)));
  for (let sent = begin.length; sent < SIZE; sent += piece.length) {
    each();
    yield Buffer.from(piece);
  }
}
