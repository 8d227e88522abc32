/** A copy of the project, in which a test does what docs/adding-a-dataset.md says. */

import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { commandsOf } from './docsCommands.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PAGE = 'docs/adding-a-dataset.md';
/** What is made anew, or linked. */
const LEFT_OUT = new Set(['node_modules', 'dist', '.git', 'bench-results', 'coverage']);

/** The page, and the sources as they are when its first step begins. */
export class FuelProject {
  readonly folder: string;
  readonly page: string;

  private constructor(folder: string, page: string) {
    this.folder = folder;
    this.page = page;
  }

  static async copy(): Promise<FuelProject> {
    const folder = await mkdtemp(join(tmpdir(), 'tidemark-fuel-'));
    await cp(ROOT, folder, { recursive: true, filter: (path) => !LEFT_OUT.has(relative(ROOT, path)) });
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    return new FuelProject(folder, await readFile(join(ROOT, PAGE), 'utf8'));
  }

  /** The first block of a language. */
  block(language: string): string {
    const found = new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(this.page)?.[1];
    if (found === undefined) throw new Error(`${PAGE} has no block of ${language}`);
    return found;
  }

  /** The commands of a section, in their order. */
  commands(heading: string): readonly string[] {
    const section = this.page.split(/^## /m).find((text) => text.startsWith(heading));
    const commands = commandsOf(section ?? '').flat();
    if (commands.length === 0) throw new Error(`${PAGE} has no commands under ${heading}`);
    return commands;
  }

  /** The page's first two sections. */
  async addSources(): Promise<void> {
    await this.write('src/datasets/fuel.ts', this.block('ts'));
    await this.write('migrations/0100_fuel.sql', this.block('sql'));
    await this.replace('src/datasets/index.ts', 'DATASETS: readonly Dataset[] = [inc, crq]', (old) =>
      old.replace('[inc, crq]', /`DATASETS = (\[inc, crq, fuel\])`/.exec(this.page)?.[1] ?? ''),
    );
    await this.replace(
      'src/datasets/index.ts',
      'import { inc }',
      (old) => `import { fuel } from './fuel.ts';\n${old}`,
    );
  }

  /** The first step of switching it on. */
  async enable(): Promise<void> {
    await this.replace('src/datasets/fuel.ts', 'enabled: false', () => 'enabled: true');
  }

  async write(path: string, text: string): Promise<void> {
    await writeFile(join(this.folder, path), text);
  }

  async replace(path: string, part: string, by: (part: string) => string): Promise<void> {
    const text = await readFile(join(this.folder, path), 'utf8');
    if (!text.includes(part)) throw new Error(`${path} has no ${part}`);
    await this.write(path, text.replace(part, by(part)));
  }

  async remove(): Promise<void> {
    await rm(this.folder, { recursive: true });
  }
}
