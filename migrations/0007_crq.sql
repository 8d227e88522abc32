-- Change requests: the columns of incidents. Types are the dataset's configuration (src/datasets/crq.ts), unverified
-- against the source system. Switched off until src/datasets/crq.ts says enabled: true.

create table tickets.crq (
  ticket_id text collate "C" primary key,
  title text,
  description text,
  raw_status text,
  priority text,
  severity text,
  category text,
  sub_category text,
  region text,
  county text,
  site_id text,
  site_name text,
  latitude double precision,
  longitude double precision,
  technology text,
  vendor text,
  assigned_group text,
  assigned_to text,
  root_cause text,
  created_at timestamptz,
  updated_at timestamptz,
  resolved_at timestamptz,
  closed_at timestamptz,
  created_week date,
  resolved_week date,
  mttr numeric,
  sla_breached boolean,
  is_major_incident boolean,
  source_key text not null,
  source_line bigint not null,
  loaded_at timestamptz not null
);

grant select, insert, update on tickets.crq to tidemark_worker;

insert into tickets.dataset_state (dataset, enabled) values ('crq', false) on conflict do nothing;
