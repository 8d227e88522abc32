#!/usr/bin/env node
/** The command line: verbs only, each in src/client/. */

import { Command } from 'commander';
import { runProgram } from './client/runProgram.ts';
import { printable, tolerateClosedPipes } from './client/terminal.ts';
import { addVerbs } from './client/verbs.ts';

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
await addVerbs(program, process.argv[2]);
await runProgram(program, process.argv);
