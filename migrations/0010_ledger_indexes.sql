-- A load asks for the last deed of its dataset, however long the ledger is and whatever other datasets have done since.
-- Only a question that says `id > 0` as well finds this index: without that the planner, while it takes the ledger for
-- short, would use it to look for a key too, and read all deeds of the dataset.
create index import_meta_last on tickets.import_meta (dataset, id) where id > 0;

-- A listing asks up to where another loader's work was taken over: of most datasets, never.
create index import_meta_adopted on tickets.import_meta (dataset) where export_type = 'adopted';
