import assert from 'node:assert/strict';
import { FULL_TABLE } from '../../support/faults/files.ts';
import { longForm } from '../../support/faults/form.ts';
import { endSessions } from '../../support/faults/places.ts';
import type { ClientMessage, Harm } from '../../support/faults/postgresProxy.ts';
import { ingest } from '../../support/faults/ingest.ts';
import { rehearsed } from '../../support/faults/rehearsed.ts';
import { fileName } from '../../support/incFile.ts';

const NOTICED_MS = 15_000;

type Match = (message: ClientMessage) => boolean;

const asks =
  (what: RegExp): Match =>
  ({ type, text }) =>
    type === 'B' && what.test(text());

const BEGINNING = asks(/copy pg_temp\."tidemark_stretch_inc"/);

/** Of a stretch, in order; all of it is sent in one go. */
const IN_A_STRETCH: Readonly<Record<string, Match>> = {
  'the beginning': BEGINNING,
  'the rows': ({ type, text }) => type === 'd' && text().length > 10_000,
  'the merge': asks(/looked as materialized/),
  'the end': ({ type }) => type === 'S',
};
/** Behind the last stretch. */
const AT_THE_END: Readonly<Record<string, Match>> = {
  'the fence': asks(/for update/),
  'the ledger row': asks(/insert into tickets\.import_meta/),
  'the commit': asks(/commit$/),
};
const HARMS = ['cut', 'cut in the middle', 'lose the answer', 'stall', 'end of all sessions'] as const;

const STRETCHES = longForm ? [1, 2] : [2];

/** In the bounded form of one stretch, which has others before and behind it, and every third: each place, each harm. */
const CASES = HARMS.flatMap((harm) => [
  ...STRETCHES.flatMap((after) =>
    Object.entries(IN_A_STRETCH).map(([of, fits]) => ({
      harm,
      place: `${of} of stretch ${after}`,
      after,
      fits,
    })),
  ),
  ...Object.entries(AT_THE_END).map(([place, fits]) => ({ harm, place, after: 2, fits })),
]).filter((_case, i) => longForm !== undefined || i % 3 === 0);

/** The other load that holds locks while it reads. */
describe('PostgreSQL fails while a large file is merged in stretches', function () {
  this.timeout(2 * NOTICED_MS + 30_000);
  const suite = rehearsed(FULL_TABLE, NOTICED_MS);

  /** Does harm the first time that a message fits, once so many stretches have begun. */
  function harmAt(after: number, fits: Match, harm: (typeof HARMS)[number]): () => number {
    let stretches = 0;
    let hits = 0;
    const end = endSessions(suite.ground.db);
    suite.ground.postgres.rule = (message): Harm | Promise<Harm> => {
      if (BEGINNING(message)) stretches += 1;
      if (hits > 0 || stretches < after || !fits(message)) return 'none';
      hits += 1;
      return harm === 'end of all sessions' ? end() : harm;
    };
    return () => hits;
  }

  for (const { harm, place, after, fits } of CASES) {
    it(`${harm} at ${place}: the retry ends where an undisturbed run does`, async () => {
      const hits = harmAt(after, fits, harm);
      await suite.survives();
      assert.equal(hits(), 1);
    });
  }

  it('who holds the fence at the end of a merge is freed as soon as any other holder', async () => {
    const { db } = suite.ground;
    await db.query(`create table public.limits (idle text)`);
    await db.query(`grant insert on public.limits to public`);
    await db.query(
      `create function public.note_limits() returns trigger language plpgsql as $$
       begin insert into public.limits values (current_setting('idle_in_transaction_session_timeout')); return null; end $$`,
    );
    await db.query(
      `create trigger note_limits after insert on tickets.import_meta for each row execute function public.note_limits()`,
    );
    try {
      await suite.survives();
      assert.deepEqual(await db.query(`select distinct idle from public.limits`), [{ idle: '30s' }]);
    } finally {
      await db.query(`drop trigger note_limits on tickets.import_meta`);
    }
  });

  it('a merge that was undone leaves a connection on which the next one goes as well', async () => {
    const { ground } = suite;
    const body = String(FULL_TABLE[fileName(2)]);
    const repeats = `${body}${body.split('\n')[1]}\n`;
    await ground.reset({ ...FULL_TABLE, [fileName(2)]: repeats, [fileName(3)]: body });
    const copies: string[] = [];
    ground.postgres.rule = (message): Harm => {
      const [, table] = (/[BQ]/.test(message.type) && /copy pg_temp\."?(\w+)/.exec(message.text())) || [];
      if (table !== undefined && table !== copies.at(-1)) copies.push(table);
      return 'none';
    };
    await ingest(ground.deps);
    const [stretch, stage] = ['tidemark_stretch_inc', 'tidemark_stage_inc'];
    // The repeated key is found at the end: then its file is staged. The next file is not.
    assert.deepEqual(copies, [stretch, stage, stretch]);
  });
});
