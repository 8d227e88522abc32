/**
 * Compiles assembly/scan.ts into src/csv/scanCode.ts, which is committed: a build needs no second compiler then, and the
 * worker no second file. With `--check` it only says whether that is up to date.
 */

import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const source = fileURLToPath(new URL('../assembly/scan.ts', import.meta.url));
const target = new URL('../src/csv/scanCode.ts', import.meta.url);

const options = ['-O3', '--runtime', 'stub', '--enable', 'simd', '--importMemory', '--noAssert'];
let code;
let said = '';
const { error } = await asc.main(['scan.ts', '--outFile', 'scan.wasm', ...options], {
  readFile: async (name) => (name === 'scan.ts' ? readFile(source, 'utf8') : null),
  writeFile: (_name, contents) => {
    code = Buffer.from(contents);
  },
  listFiles: () => [],
  stderr: { write: (text) => (said += String(text)) },
});
if (error || !code) throw new Error(said, { cause: error });

const lines = code.toString('base64').match(/.{1,100}/g) ?? [];
const text = `/** Compiled from assembly/scan.ts by \`npm run build:scan\`; WebAssembly in Base64. */
export const SCAN_CODE =
${lines.map((line) => `  '${line}'`).join(' +\n')};
`;
if (!process.argv.includes('--check')) await writeFile(target, text);
else if ((await readFile(target, 'utf8')) !== text) {
  throw new Error('src/csv/scanCode.ts is not what assembly/scan.ts compiles to: npm run build:scan');
}
