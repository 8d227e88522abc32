import { defineDataset } from './defineDataset.ts';
import { TICKET_COLUMNS } from './ticketColumns.ts';

/**
 * Change requests.
 *
 * UNVERIFIED against the source system: it documents neither types nor normalisation tables. Check them with
 * `tidemark plan crq --scan`, which reads and merges everything for real and rolls back, before the first load.
 */
export const crq = defineDataset({
  name: 'crq',
  enabled: false,
  changesPrefix: 'automations/crq/changes/',
  processedPrefix: 'automations/crq/processed/',
  skippedPrefix: 'automations/crq/skipped/',
  table: 'crq',
  primaryKey: 'ticket_id',
  versionColumn: 'updated_at',
  columns: TICKET_COLUMNS,
  alarmColumn: 'is_alarm',
  droppedColumns: ['source_s3_bucket', 'source_s3_key', 'source_snapshot_id'],
  sentinel: 'EXPORT STOPPED',
  maxRejects: 0,
  minBaselineRows: 0,
  latePolicy: 'hold',
  settleMs: 0,
  archive: true,
  cron: '*/5 * * * *',
  timeZone: 'Africa/Nairobi',
});
