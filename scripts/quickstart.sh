#!/bin/sh
# Sets everything up, starts fairwayd, and lets two containers talk by name. Safe to run again. Arguments are
# flags for the daemon.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
  echo "quickstart: Fairway makes network namespaces and containers: run this as root" >&2
  exit 1
fi
sh scripts/setup.sh
exec node_modules/.bin/node scripts/quickstart.ts "$@"
