#!/bin/sh
# Brings the two databases of Temporal to the schema of this image. Does nothing where they have it.
set -eu
for name in temporal:temporal temporal_visibility:visibility; do
  database=${name%:*}
  temporal-sql-tool --database "$database" setup-schema --version 0.0
  temporal-sql-tool --database "$database" update-schema \
    --schema-dir "/etc/temporal/schema/postgresql/v12/${name#*:}/versioned"
done
