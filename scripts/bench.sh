#!/bin/sh
# The numbers, each beside the bare kernel in the same run. `npm run bench -- dns memory` runs only those suites;
# `npm run bench -- peers` the same work on Debian's dockerd and podman by turns; `npm run bench -- cluster` simulates a thousand
# hosts on a real etcd.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "npm run bench: needs root" >&2; exit 1; }
sh scripts/setup.sh --tests
if ! command -v iperf3 >/dev/null 2>&1; then
  echo "setup: installing iperf3"
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends iperf3 >/dev/null
fi
if [ "${1:-}" = peers ]; then
  shift
  sh bench/peers/setup.sh
  set -- bench/peers/main.ts "$@"
elif [ "${1:-}" = cluster ]; then
  shift
  set -- bench/cluster/main.ts "$@"
else
  set -- bench/run.ts "$@"
fi
PATH="$PWD/node_modules/.bin:/usr/sbin:/sbin:$PATH" exec node --disable-warning=ExperimentalWarning "$@"
