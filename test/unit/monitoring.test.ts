import assert from 'node:assert/strict';
import { ApplicationFailure } from '@temporalio/common';
import { DATASETS } from '../../src/datasets/index.ts';
import { listen } from '../../src/monitoring/http.ts';
import { jsonLine } from '../../src/monitoring/jsonLog.ts';
import { missedChecks } from '../../src/monitoring/missedChecks.ts';

const at = (time: string): Date => new Date(`2026-11-24T${time}+03:00`);

describe('missed checks', () => {
  it('are the times of the schedule since the last one, in its zone', () => {
    const often = { cron: '*/5 * * * *', timeZone: 'Africa/Nairobi' } as const;
    const daily = { cron: '30 8 * * *', timeZone: 'Africa/Nairobi' } as const;
    const missed = [
      missedChecks(often, at('08:00:01'), at('08:04:59')),
      missedChecks(often, at('08:00:01'), at('08:15:00')),
      missedChecks(often, at('00:00:00'), at('23:00:00')),
      missedChecks(often, null, at('08:00:00')),
      missedChecks(daily, at('08:30:01'), at('23:00:00')),
      missedChecks(daily, at('08:29:00'), at('08:31:00')),
    ];
    assert.deepEqual(missed, [0, 3, 100, 100, 0, 1]);
  });

  it('can be counted for every dataset', () => {
    for (const dataset of DATASETS) assert.equal(missedChecks(dataset, at('08:00:00'), at('08:00:00')), 0);
  });
});

describe('the endpoint', () => {
  it('whose port is taken says so, and what to check', async () => {
    const first = await listen({ port: 0, host: '127.0.0.1' }, {});
    try {
      await assert.rejects(listen({ port: first.port, host: '127.0.0.1' }, {}), {
        kind: 'BadRequest',
        message: `cannot serve metrics and health on port ${first.port} [EADDRINUSE]. Check TIDEMARK_HTTP_PORT and TIDEMARK_HTTP_HOST`,
      });
    } finally {
      await first.close();
    }
  });
});

describe('a log line', () => {
  it('takes the place from a failure, and leaves tokens out', () => {
    const error = ApplicationFailure.create({
      message: 'inc k.csv: refused',
      type: 'RowsRejected',
      details: [{ dataset: 'inc', key: 'k.csv' }],
    });
    const meta = { workflowId: 'w', workflowRunId: 'r', taskToken: 'long', attempt: 1, error };
    const line = jsonLine({ level: 'WARN', message: 'a\nb', timestampNanos: 1_000_000n, meta });
    assert.ok(line.endsWith('}\n') && !line.slice(0, -1).includes('\n'));
    const { frames, ...said } = JSON.parse(line) as Record<string, unknown>;
    assert.ok(Array.isArray(frames));
    assert.deepEqual(said, {
      time: '1970-01-01T00:00:00.001Z',
      level: 'WARN',
      message: 'a\nb',
      dataset: 'inc',
      key: 'k.csv',
      workflowId: 'w',
      runId: 'r',
      attempt: 1,
      error: 'inc k.csv: refused',
      errorKind: 'RowsRejected',
    });
  });
});
