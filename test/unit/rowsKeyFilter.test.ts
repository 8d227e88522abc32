import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Cell } from '../../src/rows/cell.ts';
import { KeyFilter } from '../../src/rows/keyFilter.ts';

function filterOf(keys: Iterable<string>): KeyFilter {
  const filter = new KeyFilter();
  for (const key of keys) {
    const bytes = Buffer.from(key);
    filter.add(new Cell().set(bytes, 0, bytes.length));
  }
  return filter;
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, n) => `INC${4_100_000 + n}`);

describe('the filter of primary keys', () => {
  it('says of keys that are all different that none is repeated, few or many', () => {
    for (const count of [0, 1, 4096, 4097, 300_000])
      assert.equal(filterOf(numbered(count)).mayRepeat, false, `${count} keys`);
  });

  it('never misses a repeated key, whatever lies between', () => {
    for (const count of [1, 127, 128, 129, 4095, 4096, 4097, 16_512, 16_513, 40_000]) {
      for (const again of [0, count >> 1, count - 1]) {
        const keys = numbered(count);
        assert.equal(filterOf([...keys, keys[again] ?? '']).mayRepeat, true, `${count} keys, ${again}`);
      }
    }
  });

  it('never misses one among any keys', () => {
    const keys = fc.array(fc.string({ unit: 'binary', maxLength: 4 }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(keys, (some) => {
        const isRepeated = new Set(some).size < some.length;
        return !isRepeated || filterOf(some).mayRepeat;
      }),
      { seed: 20_260_622, numRuns: 2000 },
    );
  });

  it('is never wrong of keys in their order, up or down, however many', () => {
    for (const step of [1, -1]) {
      const filter = new KeyFilter();
      const bytes = Buffer.from('INC0000000');
      for (let n = 0; n < 4_000_000; n += 1) {
        let rest = step > 0 ? n : 9_999_999 - n;
        for (let at = 9; at > 2; at -= 1) {
          bytes[at] = 48 + (rest % 10);
          rest = Math.floor(rest / 10);
        }
        filter.add(new Cell().set(bytes, 0, 10));
      }
      assert.equal(filter.mayRepeat, false, `step ${step}`);
      const again = Buffer.from(step > 0 ? 'INC1234567' : 'INC8765432');
      filter.add(new Cell().set(again, 0, 10));
      assert.equal(filter.mayRepeat, true, `step ${step}, and one of them again`);
    }
  });

  it('is wrong of few new keys behind a million others', () => {
    const million = filterOf(numbered(1_000_000));
    assert.equal(million.mayRepeat, false);
    let wrong = 0;
    for (let n = 0; n < 100_000; n += 1) {
      million.mayRepeat = false;
      const bytes = Buffer.from(`CRQ${n}`);
      million.add(new Cell().set(bytes, 0, bytes.length));
      if (million.mayRepeat) wrong += 1;
    }
    assert.ok(wrong < 10, `${wrong} of 100,000`);
  });
});
