import { CommanderError, type Command } from 'commander';
import { checkDatasets } from '../datasets/checkDatasets.ts';
import { DATASETS, SHADOWS } from '../datasets/index.ts';
import { exitWithProblem } from './problem.ts';

/** The status of a command line that cannot be understood, as shells have it. */
const USAGE = 2;

/** Carries out a command line; sets the exit status and lets the process end by itself. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  try {
    checkDatasets([...DATASETS, ...SHADOWS]);
    await program.parseAsync(argv);
  } catch (error) {
    if (!(error instanceof CommanderError)) return exitWithProblem(error);
    // Help that was asked for comes as an error with status 0.
    process.exitCode = error.exitCode === 0 ? 0 : USAGE;
  }
}
