#!/bin/sh
# Two containers joined by a named pipe in a volume: what one writes, the other one reads while it is being written.
set -eu
docker=${DOCKER:-fairway}

$docker volume create example-pipe >/dev/null
trap '$docker rm -f example-writer >/dev/null; $docker volume rm example-pipe >/dev/null' EXIT

$docker run --rm --network none -v example-pipe:/pipes busybox mkfifo /pipes/words
# Opening the pipe waits for the reader.
$docker run -d --name example-writer --network none -v example-pipe:/pipes busybox \
  sh -c 'for word in one two three; do echo "$word"; done >/pipes/words' >/dev/null
$docker run --rm --network none -v example-pipe:/pipes busybox cat /pipes/words
