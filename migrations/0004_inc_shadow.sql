-- The table of inc's shadow: filled beside another loader, to be compared with what that one loads (docs/decisions/0009).

create table tickets.inc_shadow (like tickets.inc including all);

grant select, insert, update on tickets.inc_shadow to tidemark_worker;
