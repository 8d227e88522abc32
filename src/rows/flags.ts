import type { Cell } from './cell.ts';

const FLAGS = [
  ...['true', 't', '1', 'yes'].map((word) => ({ word: Buffer.from(word), flag: true })),
  ...['false', 'f', '0', 'no'].map((word) => ({ word: Buffer.from(word), flag: false })),
];
/** The words by their length. */
const FLAGS_BY_LENGTH = [0, 1, 2, 3, 4, 5].map((length) =>
  FLAGS.filter(({ word }) => word.length === length),
);

/** A flag's meaning, in any case, the cell being trimmed; undefined where it is none. */
export function readFlag(cell: Cell): boolean | undefined {
  for (const { word, flag } of FLAGS_BY_LENGTH[cell.length] ?? []) if (isWord(cell, word)) return flag;
  return undefined;
}

/** Whether the cell is the word, of lower-case letters or digits, in any case. */
function isWord(cell: Cell, word: Buffer): boolean {
  for (let at = 0; at < word.length; at += 1) {
    const byte = cell.at(at);
    const lower = byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
    if (lower !== word[at]) return false;
  }
  return true;
}
