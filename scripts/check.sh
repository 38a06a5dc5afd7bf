#!/bin/sh
# The gate: format, lint, types, rules of the house (layers, sizes), unit tests. Needs no root and touches nothing outside
# the checkout.
set -eu
cd "$(dirname "$0")/.."
[ -x node_modules/.bin/node ] || sh scripts/setup.sh
PATH="$PWD/node_modules/.bin:$PATH"
echo "check: format and lint"
biome check --error-on-warnings .
echo "check: types"
tsc
echo "check: rules and unit tests"
find src test/rules test/support scripts -name '*.test.ts' ! -name '*.root.test.ts' | sort | xargs node --test --test-timeout=120000 --test-reporter=dot --test-reporter-destination=stdout
