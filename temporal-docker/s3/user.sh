#!/bin/sh
# Creates the worker's S3 user, or gives it the secret of .env where it is there.
set -eu
versitygw admin create-user --role user --access "$WORKER_ACCESS_KEY" --secret "$WORKER_SECRET_KEY" ||
  versitygw admin update-user --access "$WORKER_ACCESS_KEY" --secret "$WORKER_SECRET_KEY"
