import assert from 'node:assert/strict';
import { inc } from '../../src/datasets/inc.ts';
import { asOfTable } from '../../src/postgres/rebuildTable.ts';

describe('the table that rebuild --as-of leaves', () => {
  for (const [ending, name] of [
    ['csv', 'inc_as_of_20260622t130000'],
    ['csv.gz', 'inc_as_of_20260622t130000_gz'],
    ['csv.zst', 'inc_as_of_20260622t130000_zst'],
  ] as const) {
    it(`has a plain name, and one of its own, for a file that ends in .${ending}`, () => {
      assert.equal(asOfTable(inc, `${inc.changesPrefix}2026-06-22T13-00-00.${ending}`), name);
    });
  }
});
