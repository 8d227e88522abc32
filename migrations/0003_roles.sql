-- Who may do what (docs/security.md). Two group roles without login; a login role gets its rights by membership:
--   grant tidemark_worker to loader;
-- Roles are of the whole server, so they may be there already, by another database's migration or by an administrator
-- where this role may not create any: `migrate` says so before it comes here.
-- A migration that adds a dataset's table grants it: select, insert, update to tidemark_worker, nothing to the reader.

do $$
declare
  role_name text;
begin
  foreach role_name in array array['tidemark_worker', 'tidemark_reader'] loop
    if not exists (select from pg_catalog.pg_roles where rolname = role_name) then
      begin
        execute format('create role %I nologin', role_name);
      exception
        -- Another database's migration was first.
        when duplicate_object or unique_violation then null;
      end;
    end if;
  end loop;
  -- A load stages its rows in a temporary table. By default everybody may create one.
  if not has_database_privilege('tidemark_worker', current_database(), 'temporary') then
    execute format('grant temporary on database %I to tidemark_worker', current_database());
  end if;
end $$;

grant usage on schema tickets to tidemark_worker, tidemark_reader;

-- The worker, and every verb but `migrate`. It deletes nothing, and of a deed it may only note what became of its file:
-- when it was archived, and by this function that it is gone. The rest of `metadata` holds the watermark.
grant select, insert, update (archived_at) on tickets.import_meta to tidemark_worker;

create function tickets.mark_missing(of_dataset text, of_keys text[]) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  update tickets.import_meta
  set archived_at = clock_timestamp(), metadata = metadata || '{"archive":"missing"}'
  where dataset = of_dataset and source_key = any (of_keys) and archived_at is null
    and export_type in ('baseline', 'delta', 'late', 'reload');
end;
revoke execute on function tickets.mark_missing(text, text[]) from public;
grant execute on function tickets.mark_missing(text, text[]) to tidemark_worker;

grant select, insert (dataset), update (enabled, archives, last_checked_at, last_listing)
  on tickets.dataset_state to tidemark_worker;
grant select, insert,
  update (kind, line, column_name, code, rejected, message, definition, last_at, attempts, resolved_at, resolution)
  on tickets.import_failures to tidemark_worker;
grant select, insert on tickets.import_rejects to tidemark_worker;
grant select on tickets.dataset_status to tidemark_worker;
grant select, insert, update on tickets.inc to tidemark_worker;

-- `status`, `plan`, `files`, and `rejects` without --values: no value of any row.
grant select on tickets.import_meta, tickets.import_failures, tickets.dataset_state, tickets.dataset_status
  to tidemark_reader;
grant select (dataset, source_key, etag, line, column_name, reason, rejected_at)
  on tickets.import_rejects to tidemark_reader;
