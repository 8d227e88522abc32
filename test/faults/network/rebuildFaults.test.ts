import assert from 'node:assert/strict';
import { applyRebuild } from '../../../src/activities/applyRebuild.ts';
import { beginRebuild } from '../../../src/activities/beginRebuild.ts';
import { buildFiles } from '../../../src/activities/buildFiles.ts';
import { compareRebuild } from '../../../src/activities/compareRebuild.ts';
import type { Attempt, Deps } from '../../../src/activities/deps.ts';
import type { AppliedRebuild } from '../../../src/activities/rebuildInterface.ts';
import { parseDatabaseUrl } from '../../../src/postgres/address.ts';
import { createPool } from '../../../src/postgres/pool.ts';
import { askRebuild } from '../../../src/postgres/rebuildRecord.ts';
import { DOSE_TIMEOUT_MS, LONG, steps } from '../../support/faults/dose.ts';
import { FOUR_FILES } from '../../support/faults/files.ts';
import {
  assertSameState,
  openGround,
  SHORT_LIMITS,
  type Ground,
  type State,
} from '../../support/faults/ground.ts';
import { ingest, retry } from '../../support/faults/ingest.ts';
import type { Harm } from '../../support/faults/postgresProxy.ts';
import type { S3Harm } from '../../support/faults/s3Proxy.ts';
import { fileName } from '../../support/incFile.ts';
import { rebuilderUrl, shared } from '../../support/shared.ts';

const NOTICED_MS = 20_000;
const WANTED = { dataset: 'inc', removes: true, who: 'me', reason: 'looks wrong' };
const OURS: Attempt = {
  signal: new AbortController().signal,
  provenance: { workflow_id: 'faults', run_id: 'ours' },
};

/** In their order. The last one merges a file that was loaded since the comparison. */
const PHASES = ['begin', 'build', 'compare', 'apply'] as const;
type Phase = (typeof PHASES)[number];

/** Harm that is done in a phase, at a message or a request of it. */
interface Fault {
  readonly phase: Phase;
  readonly step: number;
  readonly postgres?: Harm;
  readonly s3?: S3Harm;
}

const S3_HARMS: readonly (readonly [string, S3Harm])[] = [
  ['cut', 'cut'],
  ['stay silent', 'stay silent'],
  ['503 SlowDown', { status: 503, code: 'SlowDown' }],
  ['a body cut in its middle', { body: 'cut', after: 300 }],
  ['a body that comes to a clean end', { body: 'end', after: 300 }],
];

describe('a rebuild fails at step 1, 2, 3 …', function () {
  this.timeout(DOSE_TIMEOUT_MS);
  let ground: Ground;
  let undisturbed: { readonly applied: AppliedRebuild; readonly state: State };
  /** Of an undisturbed one; `commit`: the message that is the phase's last commit. */
  const counts = new Map<
    Phase,
    { readonly messages: number; readonly requests: number; readonly commit: number }
  >();

  before(async () => {
    ground = await openGround();
    await ground.reset(FOUR_FILES);
    await ingest(ground.deps);
    const good = await ground.state();
    // Nothing of it is disturbed, and it has no connection that the rebuilds could be taken to have left.
    await ground.restart();
    await ground.db.query(
      `create table public.held as select * from tickets.import_meta where source_key like '%${fileName(4)}'`,
    );
    undisturbed = { applied: await rebuild(), state: await ground.state() };
    assert.deepEqual(undisturbed.state.table, good.table);
    assert.equal(undisturbed.state.ledger.length, good.ledger.length + 1);
  });
  after(() => ground.close());

  /** As before the first rebuild: the table spoilt, and the ledger without the last file. */
  async function spoil(): Promise<void> {
    await ground.db.query(
      `do $$ begin
         truncate tickets.rebuild_rows, tickets.rebuilds restart identity;
         delete from tickets.import_meta where export_type = 'rebuilt' or id in (select id from public.held);
         update tickets.inc set priority = 'edited' where ticket_id in ('T1', 'T20');
         delete from tickets.inc where ticket_id in ('T3', 'T30');
         insert into tickets.inc (ticket_id, source_key, source_line, loaded_at) values ('nobody', 'x', 1, now());
       end $$`,
    );
  }

  /** Spoils the table and mends it. */
  async function rebuild(fault?: Fault): Promise<AppliedRebuild> {
    await spoil();
    const { stack } = await shared();
    const url = new URL(rebuilderUrl(stack, ground.name));
    url.port = String(ground.postgres.port);
    const deps = { ...ground.deps, pool: createPool(parseDatabaseUrl(url.href), 2, SHORT_LIMITS) };
    try {
      return await rebuildWith(deps, fault);
    } finally {
      await deps.pool.end();
    }
  }

  async function rebuildWith(deps: Deps, fault: Fault | undefined): Promise<AppliedRebuild> {
    const input = { dataset: WANTED.dataset, rebuild: await askRebuild(ground.db, WANTED) };
    const activity = <T>(
      phase: Phase,
      work: (deps: Deps, of: typeof input, attempt: Attempt) => Promise<T>,
    ): Promise<T> =>
      during(phase, fault, () =>
        retry(phase, (number) => work(deps, input, { ...OURS, number }), { attemptMs: NOTICED_MS }),
      );
    await activity('begin', beginRebuild);
    assert.equal((await activity('build', buildFiles)).left, 0);
    assert.equal((await activity('compare', compareRebuild)).outcome, 'compared');
    await ground.db.query(
      `insert into tickets.import_meta overriding system value select * from public.held`,
    );
    return activity('apply', applyRebuild);
  }

  /** Does the harm in its phase. Without one it counts. */
  async function during<T>(phase: Phase, fault: Fault | undefined, work: () => Promise<T>): Promise<T> {
    const { postgres, s3 } = ground;
    let harmed = false;
    const at = (n: number): boolean => {
      const is = n === fault?.step && fault.phase === phase;
      harmed ||= is;
      return is;
    };
    let commit = 0;
    postgres.rule = ({ n, type, text }) => {
      if (type === 'Q' && text().endsWith('commit\0')) commit = n;
      return 'none';
    };
    if (fault?.postgres) postgres.rule = ({ n }) => (at(n) ? (fault.postgres ?? 'none') : 'none');
    if (fault?.s3) s3.rule = ({ n }) => (at(n) ? (fault.s3 ?? 'none') : 'none');
    postgres.count = 0;
    s3.count = 0;
    const done = await work();
    if (!fault) counts.set(phase, { messages: postgres.count, requests: s3.count, commit });
    else assert.equal(harmed, fault.phase === phase, `step ${fault.step} of ${phase}`);
    return done;
  }

  async function survives(fault: Fault): Promise<void> {
    assert.deepEqual(await rebuild(fault), undisturbed.applied);
    assertSameState(await ground.state(), undisturbed.state);
    await ground.nothingLeft();
    ground.s3.heal();
  }

  for (const phase of PHASES) {
    for (const postgres of ['cut', 'cut in the middle', 'lose the answer', 'stall'] satisfies Harm[]) {
      it(`PostgreSQL: ${postgres}, while it is to ${phase}: the table ends as after an undisturbed one`, async () => {
        const { messages, commit } = counts.get(phase) ?? assert.fail();
        assert.ok(commit > 0, `${messages} messages and no commit`);
        // What was committed, and nobody heard of it, is the one to be known again.
        const few = postgres === 'lose the answer' && !LONG ? [commit] : undefined;
        for (const step of few ?? steps(`rebuild, ${phase}, ${postgres}`, messages, 1)) {
          await survives({ phase, step, postgres });
        }
      });
    }
  }

  // To begin, it asks S3 for no body; to compare, for nothing.
  for (const [i, phase] of (['build', 'apply', 'begin'] as const).entries()) {
    for (const [j, [what, s3]] of S3_HARMS.entries()) {
      if (phase === 'begin' && what.startsWith('a body')) continue;
      // The bounded form plays every second.
      if (!LONG && (i + j) % 2 === 1) continue;
      it(`S3: ${what}, while it is to ${phase}: the table ends as after an undisturbed one`, async () => {
        const { requests } = counts.get(phase) ?? assert.fail();
        assert.ok(requests > 0);
        for (const step of steps(`rebuild, ${phase}, S3 ${what}`, requests, 1)) {
          await survives({ phase, step, s3 });
        }
      });
    }
  }
});
