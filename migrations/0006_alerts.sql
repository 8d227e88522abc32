-- What is wrong now, and what the webhook was told of it (docs/monitoring.md). Written only where a webhook is set.

-- One row per thing that is or was wrong. Open while ended_at is null.
create table tickets.alerts (
  dataset text not null,
  event text not null,
  -- The key and, of a refused file, its ETag; empty where the event is the dataset's.
  subject text not null,
  since timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  primary key (dataset, event, subject)
);

create index alerts_open on tickets.alerts (dataset, event) where ended_at is null;

-- The messages, each sent by one worker at a time. No row values.
create table tickets.webhook_messages (
  id uuid primary key default gen_random_uuid(),
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  next_at timestamptz not null default clock_timestamp(),
  sent_at timestamptz,
  given_up_at timestamptz
);

create index webhook_messages_due on tickets.webhook_messages (next_at)
  where sent_at is null and given_up_at is null;

grant select, insert, update (since, ended_at) on tickets.alerts to tidemark_worker;
grant select, insert (body), update (attempts, next_at, sent_at, given_up_at)
  on tickets.webhook_messages to tidemark_worker;
grant select on tickets.alerts, tickets.webhook_messages to tidemark_reader;
