#!/bin/sh
# Two containers without any network talk through a unix socket in a volume: busybox's logger and its log daemon.
set -eu
docker=${DOCKER:-fairway}

$docker volume create example-socket >/dev/null
trap '$docker rm -f example-daemon >/dev/null; $docker volume rm example-socket >/dev/null' EXIT

# Both programs use /dev/log, which is led into the volume.
$docker run -d --name example-daemon --network none -v example-socket:/sockets busybox \
  sh -c 'ln -s /sockets/log /dev/log; exec syslogd -n -O /sockets/messages' >/dev/null
$docker run --rm --network none -v example-socket:/sockets busybox sh -c '
  ln -s /sockets/log /dev/log
  until [ -S /sockets/log ]; do usleep 50000; done
  logger "a message through the socket"
  until grep "a message through the socket" /sockets/messages 2>/dev/null; do usleep 50000; done'
