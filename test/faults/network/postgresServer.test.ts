import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startStack, type Stack } from '../../../dev/embedded.ts';
import type { TidemarkFailure } from '../../../src/domain/failures.ts';
import { DOSE_TIMEOUT_MS, LONG, randomOf, steps } from '../../support/faults/dose.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import { assertSameState, openGround, type Ground, type State } from '../../support/faults/ground.ts';
import { ingest, type Report } from '../../support/faults/ingest.ts';
import { at, type Place } from '../../support/faults/places.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';
import { fileName, incFile } from '../../support/incFile.ts';

const HIT: readonly Place[] = [
  'the middle of a COPY',
  'the end of a COPY',
  'the merge',
  'the ledger row',
  'the commit',
];

/** Of the long form, at most. */
const STEPS = 500;

describe('a PostgreSQL server is shut down at once (SIGQUIT) in a load, and comes back', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let stack: Stack;
  let ground: Ground;
  let undisturbed: { report: Report; state: State };

  before(async () => {
    stack = await startStack({ servers: ['postgres'] });
    ground = await openGround({ postgresUrl: stack.adminDatabaseUrl });
    await ground.reset(FOUR_FILES);
    undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
  });
  after(async () => {
    await ground.close();
    await stack.stop();
  });

  /** Ingests with the server gone at a place, and back. @param hit the first time that it comes there, or a later one */
  async function survives(place: Place, hit: number, waitMs: () => number): Promise<void> {
    const { postgres: server } = stack.servers;
    assert.ok(server);
    // A worker that has parsed its statements before sends them without their text.
    await ground.restart();
    await ground.reset();
    let back: Promise<void> | undefined;
    const harm = at(
      place,
      (n): Harm => {
        if (n < hit) return 'none';
        back = delay(waitMs())
          .then(() => server.stop('SIGQUIT'))
          .then(() => server.start());
        return 'none';
      },
      hit,
    );
    ground.postgres.rule = harm.rule;
    const report = await ingest(ground.deps);
    await back;
    assert.equal(harm.hits(), hit);
    assert.deepEqual(report, undisturbed.report, place);
    assertSameState(await ground.state(), undisturbed.state);
    await ground.nothingLeft();
  }

  it('every time it ends where an undisturbed run does', async () => {
    const random = randomOf('shutdown');
    const visited = new Set<Place>();
    // As many equal stretches as there are places: each is visited.
    for (const step of steps('shutdown', STEPS, HIT.length)) {
      const place = HIT[Math.floor(((step - 1) * HIT.length) / STEPS)] ?? 'the commit';
      visited.add(place);
      // A moment later, so that the message is on its way, has arrived, or is being worked on.
      await survives(place, 1, () => random() * 4);
    }
    // The long form ends by the clock.
    if (!LONG) assert.deepEqual([...visited].sort(), [...HIT].sort());
  });

  it('between two small files of a batch: the first is applied, the other by the next attempt', () =>
    // Small, large, small, small.
    survives('the lock', 4, () => 0));
});

/**
 * A limit on the size of files fills a disk without rights and for one server alone. PostgreSQL 15 writes block by block,
 * and takes the short write for a full disk; 18 asks the system for many blocks at once, and does not know its answer.
 */
const DISKS = [
  { version: 15, code: '53100', says: /PostgreSQL has no disk space left/ },
  { version: 18, code: 'XX000', says: /PostgreSQL met an internal error/ },
] as const;

for (const { version, code, says } of DISKS) {
  describe(`the disk of PostgreSQL ${version} is full`, function () {
    this.timeout(60_000);
    /** Some 3 MB of rows each: one file fits into what one table may take, two do not. */
    const large = (from: number, rows: number): string =>
      incFile(
        Array.from({ length: rows }, (_unused, n) => ({ ticket_id: `D${from + n}`, title: 'x'.repeat(600) })),
      );
    let folder: string;
    let stack: Stack;
    let ground: Ground;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tidemark-limit-'));
      await chmod(folder, 0o755);
      await limit('unlimited');
      stack = await startStack({
        servers: ['postgres'],
        postgres: { version, fileLimitFile: join(folder, 'limit') },
      });
      ground = await openGround({ postgresUrl: stack.adminDatabaseUrl });
    });
    after(async () => {
      await ground.close();
      await stack.stop();
      await rm(folder, { recursive: true });
    });

    const limit = (value: string): Promise<void> => writeFile(join(folder, 'limit'), value);

    /** Gives the server a disk of another size; shut down in order, so that it has nothing to write when it comes back. */
    async function resize(value: string): Promise<void> {
      await limit(value);
      await stack.servers.postgres?.stop('SIGINT');
      await stack.servers.postgres?.start();
    }

    for (const [where, files] of [
      ['the COPY', { [fileName(1)]: large(0, 4_500) }],
      ['the merge', { [fileName(1)]: large(0, 2_400), [fileName(2)]: large(3_000, 2_400) }],
    ] as const) {
      it(`in ${where}: says so, nothing of the file is applied; with room again the load ends well`, async () => {
        await resize('unlimited');
        await ground.reset(files);
        const undisturbed = { report: await ingest(ground.deps), state: await ground.state() };
        await ground.reset();
        // 4 MiB and half a block, in blocks of 512 bytes: the last block is written short.
        await resize('8200');
        let resized: Promise<void> | undefined;
        const failures: TidemarkFailure[] = [];
        const report = await ingest(ground.deps, {
          onFailure: (failure) => {
            failures.push(failure);
            if (failure.details.code === code) resized ??= stateIsWhole().then(() => resize('unlimited'));
          },
        });
        await resized;
        const full = failures.filter(({ details }) => details.code === code);
        assert.ok(full.length > 0, failures.map(({ message }) => message).join('; '));
        assert.match(full[0]?.message ?? '', says);
        assert.deepEqual(report, undisturbed.report);
        assertSameState(await ground.state(), undisturbed.state);
        await ground.nothingLeft();
      });
    }

    /** Whatever the ledger has is in the table, and nothing else. */
    async function stateIsWhole(): Promise<void> {
      const [row] = await ground.db.query<{ odd: number }>(
        `select ((select count(*) from tickets.inc) - (select coalesce(sum(rows_inserted), 0) from tickets.import_meta))::int as odd`,
      );
      assert.equal(row?.odd, 0);
    }
  });
}
