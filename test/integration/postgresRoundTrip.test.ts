import assert from 'node:assert/strict';
import { startStack, type Stack } from '../../dev/embedded.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';
import { parseDatabaseUrl } from '../../src/postgres/address.ts';
import { createPool, type Pool, type Session } from '../../src/postgres/pool.ts';

describe('several statements in one round trip', function () {
  this.timeout(60_000);
  let stack: Stack;
  let pool: Pool;

  before(async () => {
    stack = await startStack({ servers: ['postgres'] });
    pool = createPool(parseDatabaseUrl(stack.env['DATABASE_URL'] ?? ''), 1);
    await pool.query('create table kept (n int, word text)');
  });
  beforeEach(async () => {
    await pool.query('truncate kept');
  });
  after(async () => {
    await pool?.end();
    await stack?.stop();
  });

  const inSession = <T>(work: (session: Session) => Promise<T>): Promise<T> =>
    pool.withSession(undefined, work);
  const kept = (): Promise<object[]> => pool.query('select n, word from kept order by n');

  it('each has its answer, in their order: rows, counts, NULL, what the one before it wrote', async () => {
    const answers = await inSession((session) =>
      session.roundTrip([
        { text: 'insert into kept values ($1, $2), (2, null)', values: [1, 'é'] },
        { text: 'select n, word, n > 1 as more, n::float8 / 2 as half from kept order by n' },
        { text: 'select from kept where n = $1', values: [7] },
        { text: 'set local lock_timeout = 0' },
      ]),
    );
    assert.deepEqual(answers, [
      { rows: [], count: 2 },
      {
        rows: [
          { n: 1, word: 'é', more: false, half: 0.5 },
          { n: 2, word: null, more: true, half: 1 },
        ],
        count: 2,
      },
      { rows: [], count: 0 },
      { rows: [], count: 0 },
    ]);
  });

  it('a COPY takes its data with it', async () => {
    const [copied, counted] = await inSession((session) =>
      session.roundTrip([
        {
          text: 'copy kept from stdin',
          prepared: true,
          data: [Buffer.from('1\ta\n2\t'), Buffer.from('\\N\n')],
        },
        { text: 'select count(*)::float8 as n from kept' },
      ]),
    );
    assert.deepEqual([copied?.count, counted?.rows], [2, [{ n: 2 }]]);
  });

  it('a prepared text is prepared once, and is the same for a single query', async () => {
    const text = 'select $1::int as n';
    const names = await inSession(async (session) => {
      await session.roundTrip([
        { text, values: [1], prepared: true },
        { text, values: [2], prepared: true },
      ]);
      assert.deepEqual(await session.queryPrepared(text, [3]), [{ n: 3 }]);
      const [again] = await session.roundTrip([{ text, values: [4], prepared: true }]);
      assert.deepEqual(again?.rows, [{ n: 4 }]);
      return session.query(`select name from pg_prepared_statements where statement = '${text}'`);
    });
    assert.equal(names.length, 1);
  });

  it('the first that fails keeps those behind it from being run, a commit too', async () => {
    const failing = inSession((session) =>
      session.roundTrip([
        { text: 'begin' },
        { text: 'insert into kept values (1)' },
        { text: 'select 1 / $1::int', values: [0] },
        { text: 'insert into kept values (2)' },
        { text: 'commit' },
      ]),
    );
    await assert.rejects(failing, { kind: 'ValueRefused', details: { code: '22012' } });
    assert.deepEqual(await kept(), []);
  });

  it('a COPY that is refused leaves nothing, and its data does no harm', async () => {
    const failing = inSession((session) =>
      session.roundTrip([
        { text: 'copy kept from stdin', data: [Buffer.from('x\ty\n'.repeat(100_000))] },
        { text: 'insert into kept values (2)' },
      ]),
    );
    await assert.rejects(failing, { kind: 'ValueRefused', details: { code: '22P02' } });
    assert.deepEqual(await kept(), []);
  });

  it('a connection that breaks in the middle is PostgresUnavailable; the next one is good', async () => {
    const failing = inSession((session) =>
      session.roundTrip([
        { text: 'insert into kept values (1)' },
        { text: 'select pg_terminate_backend(pg_backend_pid())' },
        { text: 'insert into kept values (2)' },
      ]),
    );
    await assert.rejects(failing, { kind: 'PostgresUnavailable' });
    assert.deepEqual(await kept(), []);
  });

  it('a lock that is not to be had in time is PostgresBusy', async () => {
    const other = createPool(parseDatabaseUrl(stack.env['DATABASE_URL'] ?? ''), 1);
    await other.withSession(undefined, async (holder) => {
      await holder.query('begin; lock table kept');
      const failing = inSession((session) =>
        session.roundTrip([
          { text: 'begin' },
          { text: `select set_config('lock_timeout', '10ms', true)` },
          { text: 'insert into kept values (1)' },
          { text: 'commit' },
        ]),
      );
      await assert.rejects(failing, { kind: 'PostgresBusy' });
      await holder.query('rollback');
    });
    await other.end();
  });

  describe('of two groups', () => {
    const first = [
      { text: 'begin', prepared: true },
      { text: 'insert into kept values (1)' },
      { text: 'commit', prepared: true },
    ] as const;
    const ends = new Error('the session is not to be used again');
    /** What they give, on a session that is then destroyed. */
    const ofTwo = async (...groups: Parameters<Session['roundTripOfTwo']>) => {
      let given: Awaited<ReturnType<Session['roundTripOfTwo']>> | undefined;
      const used = inSession(async (session) => {
        given = await session.roundTripOfTwo(...groups);
        throw ends;
      });
      await assert.rejects(used, (error) => error === ends || given === undefined);
      if (!given) await used;
      return given;
    };

    it('each has its answers', async () => {
      const given = await ofTwo(first, [{ text: 'select n from kept' }]);
      assert.deepEqual(given?.[1], [{ rows: [{ n: 1 }], count: 1 }]);
      assert.equal(given?.[0].length, 3);
    });

    for (const [what, statements, kind] of [
      ['fails', [{ text: 'begin' }, { text: 'select 1 / (n - 1) from kept' }], 'ValueRefused'],
      [
        'has a COPY that is refused',
        [{ text: 'copy kept from stdin', data: [Buffer.from('x')] }],
        'ValueRefused',
      ],
      [
        'loses its connection',
        [{ text: 'select pg_terminate_backend(pg_backend_pid())' }],
        'PostgresUnavailable',
      ],
    ] as const) {
      it(`the second ${what}: the first is answered, and holds`, async () => {
        const given = await ofTwo(first, [...statements, { text: 'insert into kept values (2)' }]);
        assert.deepEqual(
          given?.[0].map(({ count }) => count),
          [0, 1, 0],
        );
        const behind = given?.[1];
        assert.equal(behind instanceof TidemarkFailure && behind.kind, kind);
        assert.deepEqual(await kept(), [{ n: 1, word: null }]);
      });
    }

    it('the first fails: nothing of the second is run', async () => {
      const failing = ofTwo([{ text: 'select 1 / 0' }], [{ text: 'insert into kept values (2)' }]);
      await assert.rejects(failing, { kind: 'ValueRefused' });
      assert.deepEqual(await kept(), []);
    });
  });

  it('a session that leaves a transaction open is not lent again', async () => {
    const pid = () => pool.query('select pg_backend_pid() as pid');
    const before = await pid();
    await inSession((session) => session.query('begin'));
    assert.notDeepEqual(await pid(), before);
  });
});
