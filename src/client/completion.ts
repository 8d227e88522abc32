/** Shell completion, made from the tree of verbs itself, so that it cannot lag behind. */

import { Argument, type Command } from 'commander';
import { DATASETS } from '../datasets/index.ts';
import { print } from './terminal.ts';

/** zsh runs bash's functions of completion, once told to. */
const ZSH_PRELUDE = 'autoload -U +X bashcompinit && bashcompinit';

/** `completion` */
export function addCompletion(program: Command): void {
  program
    .command('completion')
    .summary('print a script that completes verbs, options and datasets')
    .description('Prints a script for the shell. Needs no server and no configuration.')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh']))
    .addHelpText('after', '\nExample:\n  $ source <(tidemark completion bash)')
    .action((shell: string) => {
      if (shell === 'zsh') print(ZSH_PRELUDE);
      print(completionScript(program));
    });
}

/** What may follow a path of verbs, such as ` schedule apply`; the root's is empty. */
interface Place {
  readonly path: string;
  readonly words: readonly string[];
}

function placesOf(command: Command, path = ''): readonly Place[] {
  const verbs = command.commands.map((child) => child.name());
  const options = command.options.flatMap(({ long }) => (long == null ? [] : [long]));
  const values = command.registeredArguments.flatMap((argument) =>
    argument.name() === 'dataset' ? DATASETS.map(({ name }) => name) : (argument.argChoices ?? []),
  );
  const here = { path, words: [...verbs, ...values, ...options, '--help'] };
  return [here, ...command.commands.flatMap((child) => placesOf(child, `${path} ${child.name()}`))];
}

/** A bash function; its words are names of ours, plain ones. */
function completionScript(program: Command): string {
  const places = placesOf(program);
  const paths = places.slice(1).map(({ path }) => `'${path}'`);
  return `_tidemark() {
  local verbs='' words='' i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case "$verbs \${COMP_WORDS[i]}" in
      ${paths.join(' | ')}) verbs="$verbs \${COMP_WORDS[i]}" ;;
    esac
  done
  case "$verbs" in
${places.map(({ path, words }) => `    '${path}') words='${words.join(' ')}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -F _tidemark tidemark`;
}
