"""A careful loader on psycopg 3: the file's bytes as they are through COPY, the rest in one statement.

Usage: psycopg3_copy.py FILE PLAN. The connection comes from libpq's own variables.
"""

import json
import sys

import psycopg

BLOCK_BYTES = 256 * 1024


def main(path, plan_path):
    with open(plan_path, encoding="utf-8") as file:
        plan = json.load(file)
    with psycopg.connect() as connection, connection.cursor() as cursor:
        cursor.execute("set timezone = 'Africa/Nairobi'")
        cursor.execute(plan["createRaw"])
        statement = "copy raw from stdin with (format csv, header true)"
        with open(path, "rb") as source, cursor.copy(statement) as copy:
            while block := source.read(BLOCK_BYTES):
                copy.write(block)
        cursor.execute(plan["merge"])


main(*sys.argv[1:])
