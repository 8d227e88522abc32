import type { ListedFile } from '../activities/interface.ts';

/** What a run does next with the files of a page, in order. */
export type Step =
  | { readonly do: 'load'; readonly files: readonly ListedFile[] }
  | { readonly do: 'move'; readonly files: readonly ListedFile[] }
  /** The dataset stops here: later files build on this one. */
  | { readonly do: 'stop'; readonly file: ListedFile }
  /** A file that is too young yet; later ones wait for it. */
  | { readonly do: 'wait' };

/** Groups the files of a page, in order, into steps. */
export function stepsOf(files: readonly ListedFile[]): readonly Step[] {
  const steps: Step[] = [];
  for (const file of files) {
    const last = steps.at(-1);
    const kind = kindOf(file);
    if (kind === 'stop') return [...steps, { do: 'stop', file }];
    if (kind === 'wait') return [...steps, { do: 'wait' }];
    if (last?.do === kind) steps[steps.length - 1] = { do: kind, files: [...last.files, file] };
    else steps.push({ do: kind, files: [file] });
  }
  return steps;
}

function kindOf({ state }: ListedFile): Step['do'] {
  switch (state) {
    case 'failed':
    case 'vanished':
      return 'stop';
    case 'settling':
      return 'wait';
    case 'applied':
    case 'skipped':
      return 'move';
    case 'pending':
    // Listed only where the dataset applies them.
    case 'late':
      return 'load';
  }
}
