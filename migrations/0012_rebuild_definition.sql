-- A rebuild reads all its files by one definition of its dataset: a fingerprint of the one that it began with.
-- Null: not begun, or by a version that kept none.
alter table tickets.rebuilds add column definition text;
grant update (definition) on tickets.rebuilds to tidemark_rebuilder;
