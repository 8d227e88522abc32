import type { Column } from './dataset.ts';

/** What the ticket system exports of every kind of ticket. A dataset takes these, and may put its own beside or over them. */
export const TICKET_COLUMNS = {
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
      values: ['Nairobi', 'Coast', 'Central', 'Eastern', 'North Eastern', 'Nyanza', 'Rift Valley', 'Western'],
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
} as const satisfies Readonly<Record<string, Column>>;
