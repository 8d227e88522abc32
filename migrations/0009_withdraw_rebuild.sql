-- Who has asked for a rebuild, and finds that another one was started at the same moment, takes the request back.

create function tickets.withdraw_rebuild(of_rebuild bigint) returns void
language sql security definer set search_path = pg_catalog, pg_temp
begin atomic
  delete from tickets.rebuilds where id = of_rebuild and state = 'asked' and run_id is null;
end;
revoke execute on function tickets.withdraw_rebuild(bigint) from public;
grant execute on function tickets.withdraw_rebuild(bigint) to tidemark_worker;
