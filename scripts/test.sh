#!/bin/sh
# Everything: set-up, the gate, then the tests that need root - against the kernel in namespaces of their own, and end to end
# in test hosts; beside them, on Debian's own kernel, what this one may lack. `npm test -- PATTERN` runs only the files of those
# three kinds whose path contains PATTERN.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" != 0 ]; then
  echo "npm test makes network namespaces and containers: run it as root (npm run check needs no root)" >&2
  exit 1
fi
sh scripts/setup.sh --tests
PATH="$PWD/node_modules/.bin:/usr/sbin:/sbin:$PATH"
pattern=${1-}
matching() { grep -F -- "$pattern" || true; }
files=$(find src test -name '*.root.test.ts' -o -path 'test/e2e/*.test.ts' | sort | matching)
emulated=$(find test/qemu -name '*.test.ts' | sort | matching)
if [ -z "$files$emulated" ]; then
  echo "no test file matches $pattern" >&2
  exit 1
fi
[ -n "$pattern" ] || sh scripts/check.sh
if [ -n "$files" ] && [ -n "$emulated" ]; then
  # The guest works for itself, so it does beside the others; what it says is shown when they are through.
  guest=$(mktemp)
  sh scripts/setup.sh --kernel
  sh scripts/qemu-test.sh "$pattern" >"$guest" 2>&1 &
  pid=$!
  trap 'kill "$pid" 2>/dev/null || :; rm -f "$guest"' EXIT
fi
failed=0
if [ -n "$files" ]; then
  echo "test: kernel and end to end"
  # Two files at a time: they wait more than they work, and each has hosts of its own.
  # shellcheck disable=SC2086
  node --test --test-concurrency=2 --test-timeout=600000 --test-reporter=spec --test-reporter-destination=stdout $files || failed=1
fi
if [ -n "${pid-}" ]; then
  wait "$pid" || failed=1
  cat "$guest"
elif [ -n "$emulated" ]; then
  sh scripts/qemu-test.sh "$pattern" || failed=1
fi
exit "$failed"
