/** Other importers, each as a competent engineer would set it up, in a Python environment of their own. */

import { execFile } from 'node:child_process';
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { inc } from '../../src/datasets/inc.ts';
import { cleanEnvironment } from '../servers/launch.ts';
import type { Contestant } from './contest.ts';
import type { BenchFile } from './files.ts';
import type { Ground } from './ground.ts';
import { plainMerge, RAW } from './reference.ts';
import { runTimed } from './runTimed.ts';
import { copyTable, reset, THEIRS, type TableState } from './tables.ts';

const run = promisify(execFile);

/** What every comparison has; small. */
const SMALL = ['psycopg[binary]==3.3.9', 'psycopg2-binary==2.9.13'];
/** With what it reads CSV by, 300 MB. */
const DLT = ['dlt[postgres,filesystem]==1.31.0', 'pandas'];
/** The package with the program in it, of Linux; the others download it. */
const SLING = `sling-linux-${process.arch === 'x64' ? 'amd64' : 'arm64'}`;
const SLING_VERSION = '1.4.11';

/** Packages are downloaded, once a user. */
const INSTALL_MS = 15 * 60_000;
/** dlt needs about a minute at 10×. */
const SLOW_ROUNDS = 3;

const SCRIPTS = fileURLToPath(new URL('peers/', import.meta.url));
/** Where dlt and sling put their rows: each makes a table of its own liking. */
const DLT_DATASET = 'bench_dlt';
const DLT_TABLE = `${DLT_DATASET}.inc`;
const SLING_TABLE = 'bench.sling';

/** The peers by the words that stand for them in the ids of figures. */
export type Peers = Readonly<Record<string, Contestant>>;

/**
 * The peers that can be had here.
 *
 * @param baseline fills the tables that a peer makes itself
 * @throws where they can't be installed
 */
export async function findPeers(
  ground: Ground,
  options: { readonly all: boolean; readonly baseline: BenchFile; readonly say: (line: string) => void },
): Promise<Peers> {
  const wanted = [
    ...SMALL,
    ...(options.all ? DLT : []),
    ...(options.all && hasSling() ? [`${SLING}==${SLING_VERSION}`] : []),
  ];
  const python = await environment(wanted, options.say);
  const plan = join(ground.directory, 'plan.json');
  await writeFile(plan, JSON.stringify(planOf(ground)));
  const script = (name: string) => (file: BenchFile) =>
    runTimed(ground, {
      command: python,
      args: [join(SCRIPTS, name), file.path, plan],
      env: { PYTHONDONTWRITEBYTECODE: '1' },
    });
  const common = { table: THEIRS, prepare: (state: TableState) => reset(ground, THEIRS, state) };
  const peers: Record<string, Contestant> = {
    psycopg3: { ...common, name: 'psycopg 3, COPY', run: script('psycopg3_copy.py') },
    psycopg2: { ...common, name: 'psycopg2, execute_values', run: script('psycopg2_values.py') },
  };
  if (!options.all) return peers;
  const dlt = script('dlt_merge.py');
  peers['dlt'] = {
    ...ownTable(ground, {
      table: DLT_TABLE,
      drop: `drop schema if exists ${DLT_DATASET} cascade; drop schema if exists ${DLT_DATASET}_staging cascade`,
      fill: () => dlt(options.baseline),
    }),
    table: DLT_TABLE,
    name: 'dlt, merge',
    rounds: SLOW_ROUNDS,
    run: dlt,
  };
  if (hasSling()) peers['sling'] = await sling(ground, python, options.baseline);
  return peers;
}

function hasSling(): boolean {
  return process.platform === 'linux' && (process.arch === 'x64' || process.arch === 'arm64');
}

/** Without the filter and the rules, which it has no words for: its rows can't be compared. */
async function sling(ground: Ground, python: string, baseline: BenchFile): Promise<Contestant> {
  const module = SLING.replaceAll('-', '_');
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

/** A virtual environment in the user's cache with all that is wanted. @returns its Python */
async function environment(wanted: readonly string[], say: (line: string) => void): Promise<string> {
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'tidemark');
  const home = join(cache, 'bench-python');
  const python = join(home, 'bin', 'python');
  const options = { env: cleanEnvironment(), timeout: INSTALL_MS };
  await mkdir(cache, { recursive: true });
  const installed = await run(python, ['-m', 'pip', 'freeze'], options).then(
    ({ stdout }) => stdout.toLowerCase(),
    () => undefined,
  );
  const missing = wanted.filter((one) => !installed?.includes(one.replace(/\[.*\]/, '').toLowerCase()));
  if (missing.length === 0) return python;
  say(`  installing ${missing.join(', ')} (kept in ${home})`);
  if (installed === undefined) await run('python3', ['-m', 'venv', '--clear', home], options);
  await run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...missing], options);
  return python;
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
