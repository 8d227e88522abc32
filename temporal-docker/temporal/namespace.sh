#!/bin/sh
# Creates the namespace, unless it is there. Retention is how long the history of a closed run can be read.
set -eu
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" ||
  temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 720h
