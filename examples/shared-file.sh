#!/bin/sh
# One container leaves a file in a volume; others, which may only read there, find it: by --mount, and by --volumes-from,
# which takes over all volumes of another container, whether it runs or not.
set -eu
docker=${DOCKER:-fairway}

$docker volume create example-shelf >/dev/null
trap '$docker rm -f example-owner >/dev/null 2>&1 || :; $docker volume rm example-shelf >/dev/null' EXIT

$docker run --name example-owner --network none -v example-shelf:/shelf busybox sh -c 'echo "a letter" >/shelf/letter'
$docker run --rm --network none --mount type=volume,source=example-shelf,target=/inbox,readonly busybox cat /inbox/letter
$docker run --rm --network none --volumes-from example-owner:ro busybox sh -c '
  cat /shelf/letter
  touch /shelf/another 2>/dev/null || echo "and no other may be left"'
