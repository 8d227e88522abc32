-- Roles and databases, run once, by the superuser, when the data folder is empty.

\getenv temporal TEMPORAL_DB_PASSWORD
\getenv owner TIDEMARK_OWNER_PASSWORD
\getenv worker TIDEMARK_WORKER_PASSWORD
\getenv rebuilder TIDEMARK_REBUILDER_PASSWORD

create role temporal login password :'temporal';
create database temporal owner temporal;
create database temporal_visibility owner temporal;

-- `migrate` may not create roles, so these are here (docs/security.md).
create role tidemark_worker nologin;
create role tidemark_reader nologin;
create role tidemark_rebuilder nologin;
create role tidemark_owner login password :'owner';
create role loader login password :'worker' in role tidemark_worker;
create role rebuilder login password :'rebuilder' in role tidemark_rebuilder;
create database tickets owner tidemark_owner;

revoke all on database temporal, temporal_visibility, tickets from public;
grant connect, temporary on database tickets to tidemark_worker;
grant connect on database tickets to tidemark_reader;
grant connect, temporary on database tickets to tidemark_rebuilder;
