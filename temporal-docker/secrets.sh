#!/bin/sh
# Writes .env beside this file, from .env.example, with a fresh secret wherever that has none. Leaves an .env that is there.
set -eu
cd "$(dirname "$0")"
umask 077
set -C # `>` fails where the file is there.
while IFS= read -r line; do
  case $line in
    [A-Z]*=) printf '%s%s\n' "$line" "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')" ;;
    *) printf '%s\n' "$line" ;;
  esac
done < .env.example > .env
