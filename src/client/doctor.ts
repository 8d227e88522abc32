import type { Command } from 'commander';
import { ConfigError, readConfig } from '../config.ts';
import { DATASETS, ENABLED } from '../datasets/index.ts';
import type { Queryable } from '../postgres/queryable.ts';
import { progressedAt, readDatasetStatus } from '../postgres/status.ts';
import { checkClocks } from './doctor/clocks.ts';
import { bounded, type Finding, Findings, type Level } from './doctor/finding.ts';
import { checkPostgres, type PostgresClock } from './doctor/postgres.ts';
import { checkS3, type S3Clock } from './doctor/s3.ts';
import { checkTemporal } from './doctor/temporal.ts';
import { Problem } from './problem.ts';
import { withServers, type Servers } from './servers.ts';
import { counted, print, printable, printJson, styled } from './terminal.ts';

/** `doctor` */
export function addDoctor(program: Command): void {
  program
    .command('doctor')
    .summary('check configuration, servers, rights, clocks, Schedules and workers')
    .description(
      'Checks all that a worker and this client need, and says for each fault what to do. It goes on where a check ' +
        'fails, and waits 30 s at most for each server. It changes nothing; to try out the conditions of S3 it writes ' +
        'two scratch objects under processed/ and removes them. Where a problem was found, the exit status is 1.',
    )
    .option('--json', 'print one JSON document')
    .addHelpText('after', "\nExample:\n  $ tidemark doctor --json | jq -r '.checks[] | select(.mend).mend'")
    .action(async (options: { json?: boolean }) => {
      const findings = configFindings();
      const tell = (list: readonly Finding[]): void => report(list, options.json === true);
      if (findings.some(({ level }) => level === 'problem')) {
        tell(findings);
        process.exitCode = 1;
        return;
      }
      await withServers(async (servers) => {
        const all = [...findings, ...(await examine(servers))];
        tell(all);
        const problems = all.filter(({ level }) => level === 'problem').length;
        if (problems > 0) throw new Problem(`${counted(problems, 'problem')} found`);
      });
    });
}

/** Every problem of the environment, or that there is none. */
function configFindings(): readonly Finding[] {
  const findings = new Findings();
  try {
    readConfig();
    findings.add('configuration', 'ok', 'the environment can be read');
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) findings.add('configuration', 'problem', problem);
    findings.add('servers', 'note', 'not checked: which they are is not known for sure');
  }
  return findings.list;
}

/** Asks all servers at the same time. */
async function examine({ config, temporal, db }: Servers): Promise<readonly Finding[]> {
  const clocks: { postgres: PostgresClock; s3: S3Clock } = { postgres: {}, s3: {} };
  const datasets = DATASETS;
  const found = await Promise.all([
    bounded('postgres', config, (findings) =>
      checkPostgres({ config, datasets, clock: clocks.postgres }, findings),
    ),
    bounded('s3', config, (findings) => checkS3({ config, datasets: ENABLED, clock: clocks.s3 }, findings)),
    bounded('temporal', config, (findings) =>
      checkTemporal(
        { config, datasets, connect: temporal, progressOf: (name) => progressOf(db, name) },
        findings,
      ),
    ),
  ]);
  const findings = new Findings();
  checkClocks({ ...clocks, timeZone: 'Africa/Nairobi' }, findings);
  return [...found.flat(), ...findings.list];
}

/** Where PostgreSQL cannot be asked, its own checks say so. */
async function progressOf(db: Queryable, dataset: string): Promise<Date | null> {
  return progressedAt(await readDatasetStatus(db, dataset).catch(() => undefined));
}

const COLOURS: Readonly<Record<Level, 'green' | 'dim' | 'yellow' | 'red'>> = {
  ok: 'green',
  note: 'dim',
  warning: 'yellow',
  problem: 'red',
};

function report(findings: readonly Finding[], json: boolean): void {
  const ok = findings.every(({ level }) => level !== 'problem');
  if (json) return printJson({ ok, checks: findings });
  const width = Math.max(...findings.map(({ check }) => check.length));
  for (const { check, level, what, mend } of findings) {
    const next = mend === undefined ? '' : `. To mend it: ${mend}`;
    const title = styled(COLOURS[level], level.padEnd('problem'.length));
    // Names of roles and databases may be of any characters.
    print(`${title}  ${check.padEnd(width)}  ${printable(what + next)}`);
  }
}
