#!/bin/sh
# One container leaves a file in a volume, another one, which may only read there, finds it.
set -eu
docker=${DOCKER:-fairway}

$docker volume create example-shelf >/dev/null
trap '$docker volume rm example-shelf >/dev/null' EXIT

$docker run --rm --network none -v example-shelf:/shelf busybox sh -c 'echo "a letter" >/shelf/letter'
$docker run --rm --network none -v example-shelf:/shelf:ro busybox cat /shelf/letter
