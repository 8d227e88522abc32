/**
 * How a session in `pg_stat_activity` is known that has written rows of a large file and waits for more: into an empty
 * table, in the middle of one COPY; into another, between two stretches, each of which has a COPY and a merge.
 */
export const FILLING = `application_name like 'tidemark %' and state = 'active' and wait_event = 'ClientRead' and query like 'copy tickets.%'`;
export const BETWEEN_STRETCHES = `application_name like 'tidemark %' and state = 'idle in transaction' and query like '%looked as materialized%'`;
