"""dlt: its file system source and CSV reader, rules as a map, merged by primary key; the fastest of its settings here.

Usage: dlt_merge.py FILE PLAN. The connection is DATABASE_URL.
"""

import json
import os
import sys

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt
from dlt.sources.filesystem import filesystem, read_csv

from importer import Rules

DLT_TYPES = {
    "text": {"data_type": "text"},
    "timestamptz": {"data_type": "timestamp"},
    "date": {"data_type": "date"},
    "double precision": {"data_type": "double"},
    "numeric": {"data_type": "decimal"},
    "boolean": {"data_type": "bool"},
}


def main(path, plan_path):
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    rules = Rules(plan)
    directory, name = os.path.split(path)
    files = filesystem(bucket_url=f"file://{directory}", file_glob=name)
    rows = files | read_csv(chunksize=50_000, dtype=str, keep_default_na=False)
    rows = rows.add_filter(rules.is_kept).add_map(rules.normalise_with_zone)
    rows.apply_hints(
        table_name=plan["dltTable"],
        primary_key=plan["key"],
        write_disposition={"disposition": "merge", "strategy": "upsert"},
        columns={
            name: {**DLT_TYPES[column["type"]], "nullable": name != plan["key"]}
            for name, column in plan["columns"].items()
        },
    )
    pipeline = dlt.pipeline(
        pipeline_name="bench",
        pipelines_dir=plan["state"],
        destination=dlt.destinations.postgres(os.environ["DATABASE_URL"]),
        dataset_name=plan["dltDataset"],
    )
    pipeline.run(rows, loader_file_format="csv").raise_on_failed_jobs()


main(*sys.argv[1:])
