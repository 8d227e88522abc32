import type { Dataset } from './dataset.ts';

/**
 * Incidents.
 *
 * UNVERIFIED against the source system: it documents neither types nor normalisation tables. Check them with
 * `tidemark plan inc --scan`, which reads and merges everything for real and rolls back, before the first load.
 */
export const inc: Dataset = {
  name: 'inc',
  enabled: true,
  changesPrefix: 'automations/inc/changes/',
  processedPrefix: 'automations/inc/processed/',
  skippedPrefix: 'automations/inc/skipped/',
  table: 'inc',
  primaryKey: 'ticket_id',
  versionColumn: 'updated_at',
  columns: {
    ticket_id: { type: 'text' },
    title: { type: 'text' },
    description: { type: 'text' },
    raw_status: {
      type: 'text',
      canonical: {
        values: ['Open', 'Assigned', 'In Progress', 'Pending', 'On Hold', 'Resolved', 'Closed', 'Cancelled'],
        separators: true,
      },
    },
    priority: { type: 'text' },
    severity: { type: 'text' },
    category: { type: 'text' },
    sub_category: { type: 'text' },
    region: {
      type: 'text',
      canonical: {
        values: [
          'Nairobi',
          'Coast',
          'Central',
          'Eastern',
          'North Eastern',
          'Nyanza',
          'Rift Valley',
          'Western',
        ],
        separators: false,
      },
    },
    county: { type: 'text' },
    site_id: { type: 'text' },
    site_name: { type: 'text' },
    latitude: { type: 'double precision' },
    longitude: { type: 'double precision' },
    technology: { type: 'text' },
    vendor: { type: 'text' },
    assigned_group: { type: 'text' },
    assigned_to: { type: 'text' },
    root_cause: { type: 'text' },
    created_at: { type: 'timestamptz' },
    updated_at: { type: 'timestamptz' },
    resolved_at: { type: 'timestamptz' },
    closed_at: { type: 'timestamptz' },
    created_week: { type: 'date' },
    resolved_week: { type: 'date' },
    mttr: { type: 'numeric' },
    sla_breached: { type: 'boolean' },
    is_major_incident: { type: 'boolean' },
  },
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
};
