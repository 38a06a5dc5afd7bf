#!/bin/sh
# Installs what Fairway needs and is not there: Debian packages (containerd, runc, libnftables, a static busybox) and the
# npm packages, which bring the pinned Node along. With --tests also what only the tests use, with --kernel what the tests
# on Debian's kernel need. Runs again in a second.
set -eu
cd "$(dirname "$0")/.."

tests=false
kernel=false
for option in "$@"; do
  case $option in
    --tests) tests=true ;;
    --kernel) kernel=true ;;
    *) echo "setup: unknown option $option" >&2; exit 1 ;;
  esac
done

missing=
need() { # need FILE-OR-COMMAND PACKAGE
  case $1 in
    /*) [ -e "$1" ] || missing="$missing $2" ;;
    *) PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 || missing="$missing $2" ;;
  esac
}

need containerd containerd
need runc runc
ldconfig=/sbin/ldconfig
"$ldconfig" -p 2>/dev/null | grep -q libnftables.so.1 || missing="$missing libnftables1"
need /bin/busybox busybox-static
need ip iproute2
need tini-static tini
need nsenter util-linux
if $tests; then
  need nft nftables
  need ping iputils-ping
  need ps procps
  need iptables-legacy iptables
  need ufw ufw
  need docker-registry docker-registry
  need git git
  need openssl openssl
  need python3 python3
  need docker-compose docker-compose
  need /usr/lib/python3/dist-packages/docker/__init__.py python3-docker
  need dbus-daemon dbus-daemon
  need /usr/lib/python3/dist-packages/dbus/__init__.py python3-dbus
  need /usr/lib/python3/dist-packages/gi/__init__.py python3-gi
fi
if $kernel; then
  need nft nftables
  need ping iputils-ping
  need qemu-system-x86_64 qemu-system-x86
fi

if [ -n "$missing" ]; then
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: missing:$missing - and there is no apt-get here; install them and run this again" >&2
    exit 1
  fi
  if [ "$(id -u)" != 0 ]; then
    echo "setup: missing:$missing - run this as root, or install them with apt-get" >&2
    exit 1
  fi
  echo "setup: installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  log=$(mktemp)
  # shellcheck disable=SC2086
  if ! { apt-get -qq -o DPkg::Lock::Timeout=300 update && apt-get -qq -y -o DPkg::Lock::Timeout=300 install --no-install-recommends $missing; } >"$log" 2>&1; then
    cat "$log" >&2
    exit 1
  fi
  rm -f "$log"
fi

# The lock file's hash is left beside what was installed from it: a second run has nothing to do.
want=$(sha256sum package-lock.json | cut -d' ' -f1)
if [ "$(cat node_modules/.fairway-lock 2>/dev/null || true)" != "$want" ]; then
  echo "setup: installing npm packages and the pinned Node"
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  echo "$want" >node_modules/.fairway-lock
fi

version=$(node_modules/.bin/node --version)
case $version in
  v26.*) ;;
  *) echo "setup: node_modules/.bin/node is $version, not the pinned v26; is this machine x64 or arm64 Linux?" >&2; exit 1 ;;
esac

if $tests && [ ! -x .cache/docker20/usr/sbin/dockerd ]; then
  # A client, and a daemon to stand beside; the machine itself is to have none, so the package is unpacked, not installed.
  echo "setup: unpacking docker 20.10"
  rm -rf .cache/docker20 && mkdir -p .cache/docker20
  (cd .cache && { apt-get -qq download docker.io || { apt-get -qq -o DPkg::Lock::Timeout=300 update && apt-get -qq download docker.io; }; } 2>/dev/null)
  dpkg-deb -x .cache/docker.io_*.deb .cache/docker20
  rm -f .cache/docker.io_*.deb
fi

if { $tests || $kernel; } && [ ! -e .cache/etcd/complete ]; then
  # Installed, it would start a store of the machine's own.
  echo "setup: unpacking etcd"
  rm -rf .cache/etcd && mkdir -p .cache/etcd
  download_etcd() { (cd .cache/etcd && apt-get -qq download etcd-server) 2>/dev/null; }
  download_etcd || { apt-get -qq -o DPkg::Lock::Timeout=300 update && download_etcd; }
  dpkg-deb -x .cache/etcd/*.deb .cache/etcd
  rm -f .cache/etcd/*.deb
  touch .cache/etcd/complete
fi

if $tests && [ ! -e .cache/firewalld/complete ]; then
  # Installed, it would close the machine it stands on.
  echo "setup: unpacking firewalld"
  rm -rf .cache/firewalld && mkdir -p .cache/firewalld
  download_firewalld() { (cd .cache/firewalld && apt-get -qq download firewalld python3-firewall python3-nftables) 2>/dev/null; }
  download_firewalld || { apt-get -qq -o DPkg::Lock::Timeout=300 update && download_firewalld; }
  for package in .cache/firewalld/*.deb; do dpkg-deb -x "$package" .cache/firewalld; done
  rm -f .cache/firewalld/*.deb
  touch .cache/firewalld/complete
fi

if $kernel && [ ! -e .cache/kernel/complete ]; then
  # Debian's kernel for tests in software emulation: unpacked, never installed.
  echo "setup: unpacking Debian's kernel"
  kernel_package() { apt-cache depends --important linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }
  download_kernel() { name=$(kernel_package) && [ -n "$name" ] && (cd .cache && rm -f linux-image-*.deb && apt-get -qq download "$name") 2>/dev/null; }
  rm -rf .cache/kernel && mkdir -p .cache/kernel
  download_kernel || { apt-get -qq -o DPkg::Lock::Timeout=300 update && download_kernel; } || {
    echo "setup: cannot download the kernel that linux-image-cloud-amd64 depends on" >&2
    exit 1
  }
  dpkg-deb -x .cache/linux-image-*.deb .cache/kernel
  rm -f .cache/linux-image-*.deb
  busybox depmod -b "$PWD/.cache/kernel" "$(ls .cache/kernel/lib/modules)"
  touch .cache/kernel/complete
fi
