#!/bin/sh
# A container takes its settings from the environment: one by one, and from a file.
set -eu
docker=${DOCKER:-fairway}

file=$(mktemp)
trap 'rm -f "$file"' EXIT
printf 'GREETING=hello\nNAME=nobody\n' >"$file"

$docker run --rm --env-file "$file" -e NAME=world busybox sh -c 'echo "$GREETING, $NAME"'
