#!/bin/sh
# The tests of what this machine's kernel may lack, on Debian's own kernel in qemu's software emulation (x86-64 only, about
# three minutes). `sh scripts/qemu-test.sh PATTERN` runs only the files whose path contains PATTERN.
set -eu
cd "$(dirname "$0")/.."
if [ "$(uname -m)" != x86_64 ]; then
  echo "tests on Debian's kernel: left out, they need an x86-64 machine"
  exit 0
fi
sh scripts/setup.sh --kernel
PATH="$PWD/node_modules/.bin:/usr/sbin:/sbin:$PATH"
exec node scripts/qemu-test.ts "$@"
