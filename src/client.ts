#!/usr/bin/env node
/** The command line: verbs only, each in src/client/. */

import { Command } from 'commander';
import { addDoctor } from './client/doctor.ts';
import { addExplain } from './client/explain.ts';
import { addDashboard } from './client/dashboard/dashboard.ts';
import { addApplyLate } from './client/applyLate.ts';
import { addCompare } from './client/compare.ts';
import { addCompletion } from './client/completion.ts';
import { addFiles } from './client/files.ts';
import { addMigrate } from './client/migrate.ts';
import { addPlan } from './client/plan.ts';
import { addRejects } from './client/rejects.ts';
import { addRebuild } from './client/rebuild.ts';
import { addReload } from './client/reload.ts';
import { runProgram } from './client/runProgram.ts';
import { addSchedule } from './client/schedule.ts';
import { addSkip } from './client/skip.ts';
import { addStart } from './client/start.ts';
import { addStatus } from './client/status.ts';
import { addVerify } from './client/verify.ts';
import { addWatermark } from './client/watermark.ts';
import { printable, tolerateClosedPipes } from './client/terminal.ts';

tolerateClosedPipes();

const program = new Command('tidemark')
  .description('Loads a change stream of CSV objects from S3 into PostgreSQL, durably, on Temporal.')
  .exitOverride()
  // What was typed is repeated in such a message: it may come from a script that read it somewhere.
  .configureOutput({
    outputError: (text, write) =>
      write(
        `${text
          .trimEnd()
          .split(/\n(?=\(Did you mean )/)
          .map(printable)
          .join('\n')}\n`,
      ),
  })
  .showHelpAfterError('(more with --help)')
  .addHelpText(
    'after',
    '\nWhere the servers are is told by the environment: DATABASE_URL, AWS_*, S3_*, TEMPORAL_*.',
  );
addMigrate(program);
addStart(program);
addStatus(program);
addSchedule(program);
addPlan(program);
addFiles(program);
addRejects(program);
addSkip(program);
addDoctor(program);
addExplain(program);
addVerify(program);
addDashboard(program);
addApplyLate(program);
addReload(program);
addRebuild(program);
addWatermark(program);
addCompare(program);
addCompletion(program);
await runProgram(program, process.argv);
