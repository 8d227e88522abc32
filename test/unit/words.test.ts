import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { Command } from 'commander';
import { addVerbs } from '../../src/client/verbs.ts';
import { FAILURE_KINDS } from '../../src/domain/failures.ts';

const page = (name: string): Promise<string> => readFile(new URL(`../../${name}`, import.meta.url), 'utf8');

describe('the words of docs and help', () => {
  it('tell every type of failure: what it means and what to do', async () => {
    const [operations, readme] = await Promise.all([page('docs/operations.md'), page('README.md')]);
    const unexplained = FAILURE_KINDS.filter(
      (kind) => !new RegExp(`^\\| \`${kind}\` `, 'm').test(operations),
    );
    assert.deepEqual(unexplained, []);
    // Of those in which a run may end.
    const ends = FAILURE_KINDS.filter(
      (kind) => !['ArchiveRefused', 'Cancelled', 'FileChanged', 'ObjectReplaced'].includes(kind),
    );
    assert.deepEqual(
      ends.filter((kind) => !readme.includes(`\`${kind}\``)),
      [],
    );
  });

  it('tell every verb: in README, and in its own help with an example', async () => {
    const program = new Command('tidemark');
    await addVerbs(program, undefined);
    const readme = await page('README.md');
    assert.ok(program.commands.length > 15);
    for (const command of program.commands) {
      assert.match(
        readme,
        new RegExp(`^\\| \`${command.name()}[ \`]`, 'm'),
        `README lacks ${command.name()}`,
      );
      for (const leaf of command.commands.length > 0 ? command.commands : [command]) {
        assert.match(helpOf(leaf), /\nExamples?:\n {2}\$ .*\btidemark /, `${command.name()} ${leaf.name()}`);
      }
    }
  });

  it('name no verb and no option that there is not, and the migrations that there are', async () => {
    const program = new Command('tidemark');
    await addVerbs(program, undefined);
    const docs = (await readdir(new URL('../../docs/', import.meta.url))).filter((name) =>
      name.endsWith('.md'),
    );
    const pages = await Promise.all(['README.md', ...docs.map((name) => `docs/${name}`)].map(page));
    const named = pages.flatMap((text) =>
      [...text.matchAll(/`tidemark ([a-z][^`]*)`/g)].map(([, command = '']) => command),
    );
    assert.ok(named.length > 50);
    assert.deepEqual(
      named.filter((command) => !isThere(program, command)),
      [],
    );
    const applied = [...(await page('docs/cli.md')).matchAll(/^applied (\S+)$/gm)].map(([, name]) => name);
    assert.deepEqual(applied, (await readdir(new URL('../../migrations/', import.meta.url))).sort());
  });
});

/** Whether a command's verb is there, with every option that is typed. */
function isThere(program: Command, typed: string): boolean {
  const [verb, under] = typed.split(/\s+/);
  const command = program.commands.find((one) => one.name() === verb);
  const leaf = command?.commands.find((one) => one.name() === under) ?? command;
  const options = [...typed.matchAll(/(?<=\s)--[a-z-]+/g)].map(([option]) => option);
  return leaf !== undefined && options.every((option) => leaf.options.some(({ long }) => long === option));
}

/** All that `--help` prints, what is added to it too. */
function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  return help;
}
