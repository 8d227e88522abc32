"""What most importers written by hand do: the csv module, rules in Python, psycopg2's execute_values by the thousand.

Usage: psycopg2_values.py FILE PLAN. The connection comes from libpq's own variables.
"""

import csv
import json
import sys

import psycopg2
from psycopg2.extras import execute_values

from importer import Rules

PAGE_ROWS = 1000


def main(path, plan_path):
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    rules = Rules(plan)
    names = rules.columns
    changes = ", ".join(f"{name} = excluded.{name}" for name in names if name != rules.key)
    upsert = (
        f"insert into {plan['table']} ({', '.join(names)}) values %s "
        f"on conflict ({rules.key}) do update set {changes}"
    )
    with psycopg2.connect("") as connection, connection.cursor() as cursor:
        cursor.execute("set timezone = 'Africa/Nairobi'")
        with open(path, newline="", encoding="utf-8") as source:
            kept = (rules.normalise(row) for row in csv.DictReader(source) if rules.is_kept(row))
            tuples = (tuple(row.values()) for row in kept)
            execute_values(cursor, upsert, tuples, page_size=PAGE_ROWS)


main(*sys.argv[1:])
