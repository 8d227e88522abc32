import { defineDataset } from './defineDataset.ts';
import { TICKET_COLUMNS } from './ticketColumns.ts';

/**
 * Incidents.
 *
 * UNVERIFIED against the source system: it documents neither types nor normalisation tables. Check them with
 * `tidemark plan inc --scan`, which reads and merges everything for real and rolls back, before the first load.
 */
export const inc = defineDataset({
  name: 'inc',
  enabled: true,
  changesPrefix: 'automations/inc/changes/',
  processedPrefix: 'automations/inc/processed/',
  skippedPrefix: 'automations/inc/skipped/',
  table: 'inc',
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
