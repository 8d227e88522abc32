import assert from 'node:assert/strict';
import { fromPostgres } from '../../src/postgres/errors.ts';

describe('failures of PostgreSQL', () => {
  for (const [code, kind] of [
    ['EPIPE', 'PostgresUnavailable'],
    ['ECONNRESET', 'PostgresUnavailable'],
    [undefined, 'PostgresUnavailable'],
    ['57P01', 'PostgresUnavailable'],
    ['25006', 'PostgresUnavailable'],
    ['25P04', 'PostgresUnavailable'],
    ['55P03', 'PostgresBusy'],
    ['22P02', 'ValueRefused'],
    ['23505', 'ValueRefused'],
    ['42P01', 'PostgresRefused'],
    ['P0001', 'PostgresRefused'],
  ] as const) {
    it(`${code ?? 'one without a code'} is ${kind}`, () => {
      const failure = fromPostgres(Object.assign(new Error('quotes a value'), code && { code }));
      assert.equal(failure.kind, kind);
      assert.ok(!failure.message.includes('quotes'));
    });
  }
});
