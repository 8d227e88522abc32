import assert from 'node:assert/strict';
import { datasetNamed, enabledDatasets } from '../../src/client/datasetNamed.ts';
import { changeFileKey } from '../../src/client/changeFileKey.ts';
import { describeProblem, Problem } from '../../src/client/problem.ts';
import { ago, localTime, printable } from '../../src/client/terminal.ts';
import { readConfig } from '../../src/config.ts';
import { inc } from '../../src/datasets/inc.ts';
import { TidemarkFailure } from '../../src/domain/failures.ts';

const off = { ...inc, name: 'crq', enabled: false };

describe('the client’s words', () => {
  it('only enabled datasets get a Schedule; another is refused, with the way to switch it on', () => {
    assert.deepEqual(enabledDatasets(undefined, [inc, off]), [inc]);
    assert.deepEqual(enabledDatasets('inc', [inc, off]), [inc]);
    assert.throws(() => enabledDatasets('crq', [inc, off]), {
      name: 'Problem',
      message: /^crq is not enabled, so it gets no Schedule\. Set enabled: true in src\/datasets\/crq\.ts/,
    });
  });

  it('an unknown dataset is named with the known ones, made fit for a terminal', () => {
    assert.throws(() => datasetNamed('\u001b[2J', [inc, off]), {
      message: 'there is no dataset \\u001b[2J; known: inc, crq',
    });
  });

  it('a change file may be named by its key or by its bare name', () => {
    const key = `${inc.changesPrefix}2026-06-22T13-00-00.csv`;
    assert.equal(changeFileKey(inc, '2026-06-22T13-00-00.csv'), key);
    assert.equal(changeFileKey(inc, key), key);
    assert.throws(() => changeFileKey(inc, `${inc.processedPrefix}2026-06-22T13-00-00.csv`), Problem);
  });

  it('control characters, and marks that reorder text, are written as escapes', () => {
    assert.equal(
      printable('a\u001b[31m\u009b\u202e\u200b\u00ad\u{e0041}\ud800\nñ 漢 😀'),
      'a\\u001b[31m\\u009b\\u202e\\u200b\\u00ad\\udb40\\udc41\\ud800\\nñ 漢 😀',
    );
  });

  it('times are of the dataset’s zone', () => {
    assert.equal(localTime('2026-06-22T22:30:00.000Z', 'Africa/Nairobi'), '2026-06-23 01:30:00');
    assert.equal(localTime(null, 'Africa/Nairobi'), '-');
    assert.deepEqual(
      [ago(-1), ago(119), ago(600), ago(7_300), ago(200_000)],
      ['0 s', '119 s', '10 min', '2 h', '2 days'],
    );
  });

  it('a foreign error is a defect without its message, which may quote a row', () => {
    const text = describeProblem(new RangeError('hushhush'));
    assert.match(text, /^a defect of Tidemark \(RangeError\), please report it:\n +at /);
    assert.ok(!text.includes('hushhush'));
  });

  it('a command’s failure does not promise a retry, and names the server', () => {
    const config = readConfig({
      DATABASE_URL: 'postgres://app:verysecret@db.example:6432/tickets',
      AWS_REGION: 'eu-west-1',
      AWS_ENDPOINT_URL_S3: 'https://key:verysecret@s3.example:9000',
    });
    const code = { code: 'ETIMEDOUT' };
    const said = (['PostgresUnavailable', 'PostgresBusy', 'S3Unavailable'] as const).map((kind) =>
      describeProblem(new TidemarkFailure(kind, 'it broke', code), config),
    );
    for (const text of said) {
      assert.doesNotMatch(text, /retried|verysecret/);
      assert.match(text, /^(PostgreSQL at db\.example:6432|S3 at s3\.example:9000)\b.*\[ETIMEDOUT\]/);
    }
  });
});
