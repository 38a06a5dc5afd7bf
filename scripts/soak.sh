#!/bin/sh
# The long versions of what `npm test` does in short: 200 containers on 100 networks and 300 published ports under traffic while the daemon
# is killed and stopped, each call of containerd failing, 64 clients of the API at once, and long random sequences. Bounded by what is counted here; about half an hour.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
  echo "npm run soak makes network namespaces and containers: run it as root" >&2
  exit 1
fi
sh scripts/setup.sh --tests
PATH="$PWD/node_modules/.bin:/usr/sbin:/sbin:$PATH"
run() { node --test --test-timeout=1800000 --test-reporter=spec --test-reporter-destination=stdout "$@"; }
FAIRWAY_SOAK_CONTAINERS=200 FAIRWAY_SOAK_PORTS=300 FAIRWAY_SOAK_NETWORKS=100 run test/e2e/510-no-packet-lost.test.ts
FAIRWAY_SHARE=1 run test/e2e/545-failing-containerd.test.ts
FAIRWAY_SOAK_CLIENTS=64 FAIRWAY_SOAK_ROUNDS=30 run test/e2e/540-many-clients.test.ts
export FAIRWAY_SEED=${FAIRWAY_SEED:-$(date +%s)}
echo "soak: seed $FAIRWAY_SEED"
FAIRWAY_RUNS=2000 run src/api/fuzz.test.ts src/config/fuzz.test.ts
FAIRWAY_RUNS=150 FAIRWAY_OWN_NAMESPACES_TIMEOUT_MS=1500000 run src/network/model.root.test.ts
FAIRWAY_LOAD=10 FAIRWAY_OWN_NAMESPACES_TIMEOUT_MS=1500000 run src/network/load.root.test.ts
