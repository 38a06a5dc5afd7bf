#!/bin/sh
# The numbers, each beside the bare kernel in the same run. `npm run bench -- dns memory` runs only those suites.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" = 0 ] || { echo "npm run bench: needs root" >&2; exit 1; }
sh scripts/setup.sh --tests
if ! command -v iperf3 >/dev/null 2>&1; then
  echo "setup: installing iperf3"
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends iperf3 >/dev/null
fi
PATH="$PWD/node_modules/.bin:/usr/sbin:/sbin:$PATH" exec node --disable-warning=ExperimentalWarning bench/run.ts "$@"
