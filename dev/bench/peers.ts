/** Other importers, each as a competent engineer would set it up, in a Python environment of their own. */

import { execFile } from 'node:child_process';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inc } from '../../src/datasets/inc.ts';
import type { Contestant } from './contest.ts';
import type { BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import type { Packages, PeerName } from './packages.ts';
import { plainMerge, RAW } from './reference.ts';
import { runTimed } from './runTimed.ts';
import { copyTable, reset, THEIRS, type TableState } from './tables.ts';

const run = promisify(execFile);

/** dlt needs about a minute at 10×. */
const SLOW_ROUNDS = 3;

const SCRIPTS = fileURLToPath(new URL('peers/', import.meta.url));
/** Where dlt and sling put their rows: each makes a table of its own liking. */
const DLT_DATASET = 'bench_dlt';
const DLT_TABLE = `${DLT_DATASET}.inc`;
const SLING_TABLE = 'bench.sling';

/** The peers by the words that stand for them in the ids of figures. */
export type Peers = Readonly<Partial<Record<PeerName, Contestant>>>;

/**
 * The peers whose packages are there.
 *
 * @param baseline fills the tables that a peer makes itself
 */
export async function setUpPeers(
  ground: Ground,
  { python, has }: Packages,
  baseline: BenchFile,
): Promise<Peers> {
  const plan = join(ground.directory, 'plan.json');
  await writeFile(plan, JSON.stringify(planOf(ground)));
  const script = (name: string) => (file: BenchFile) =>
    runTimed(ground, {
      command: python,
      args: [join(SCRIPTS, name), file.path, plan],
      env: { PYTHONDONTWRITEBYTECODE: '1' },
    });
  const common = { table: THEIRS, prepare: (state: TableState) => reset(ground, THEIRS, state) };
  return {
    ...(has.has('psycopg3') && {
      psycopg3: { ...common, name: 'psycopg 3, COPY', run: script('psycopg3_copy.py') },
    }),
    ...(has.has('psycopg2') && {
      psycopg2: { ...common, name: 'psycopg2, execute_values', run: script('psycopg2_values.py') },
    }),
    ...(has.has('dlt') && { dlt: dlt(ground, script('dlt_merge.py'), baseline) }),
    ...(has.has('sling') && { sling: await sling(ground, python, baseline) }),
  };
}

function dlt(ground: Ground, load: Contestant['run'], baseline: BenchFile): Contestant {
  return {
    ...ownTable(ground, {
      table: DLT_TABLE,
      drop: `drop schema if exists ${DLT_DATASET} cascade; drop schema if exists ${DLT_DATASET}_staging cascade`,
      fill: () => load(baseline),
    }),
    table: DLT_TABLE,
    name: 'dlt, merge',
    rounds: SLOW_ROUNDS,
    run: load,
  };
}

/** Without the filter and the rules, which it has no words for: its rows can't be compared. */
async function sling(ground: Ground, python: string, baseline: BenchFile): Promise<Contestant> {
  const module = `sling_linux_${process.arch === 'x64' ? 'amd64' : 'arm64'}`;
  const { stdout } = await run(python, ['-c', `import ${module}; print(${module}.SLING_BIN)`]);
  const command = stdout.trim();
  await chmod(command, 0o755);
  const env = {
    SLING_DISABLE_TELEMETRY: 'TRUE',
    SLING_HOME_DIR: join(ground.directory, 'sling'),
    BENCH: `${ground.stack.env['DATABASE_URL']}?sslmode=disable`,
  };
  const columns = Object.keys(inc.columns).join(',');
  const load = ({ path }: BenchFile): Promise<number> =>
    runTimed(ground, {
      command,
      args: [
        'run',
        '--src-stream',
        `file://${path}`,
        '--select',
        columns,
        '--tgt-conn',
        'BENCH',
        '--tgt-object',
        SLING_TABLE,
        '--mode',
        'incremental',
        '--primary-key',
        inc.primaryKey,
      ],
      env,
    });
  return {
    ...ownTable(ground, {
      table: SLING_TABLE,
      drop: `drop table if exists ${SLING_TABLE}`,
      fill: () => load(baseline),
    }),
    name: 'sling, incremental',
    run: load,
  };
}

/** A table that its importer makes: dropped for an empty one, filled by the importer once for a full one. */
function ownTable(
  ground: Ground,
  {
    table,
    drop,
    fill,
  }: { readonly table: string; readonly drop: string; readonly fill: () => Promise<unknown> },
): Pick<Contestant, 'prepare'> {
  let kept = false;
  const start = async (): Promise<void> => {
    await ground.sql(drop);
    await rm(join(ground.directory, 'dlt'), { recursive: true, force: true });
  };
  return {
    prepare: async (state) => {
      if (state === 'empty') return start();
      if (!kept) {
        await start();
        await fill();
        await copyTable(ground, { from: table, to: `${table}_kept` });
        kept = true;
      }
      await reset(ground, table, 'full', `${table}_kept`);
    },
  };
}

/** What the scripts are to know of the dataset. */
function planOf(ground: Ground): object {
  const [dltDataset, dltTable] = DLT_TABLE.split('.');
  return {
    columns: inc.columns,
    key: inc.primaryKey,
    alarm: inc.alarmColumn,
    sentinel: inc.sentinel,
    table: THEIRS,
    createRaw: RAW,
    merge: plainMerge(),
    dltDataset,
    dltTable,
    state: join(ground.directory, 'dlt'),
  };
}
