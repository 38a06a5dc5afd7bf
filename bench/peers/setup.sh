#!/bin/sh
# Unpacks Debian's dockerd and podman into .cache/peers, with the libraries they need. Nothing is installed: the benchmark lays
# the folders over /usr and /etc of its test hosts, which then look like machines where the packages are installed.
set -eu
cd "$(dirname "$0")/../.."
export DEBIAN_FRONTEND=noninteractive
missing=
command -v iperf3 >/dev/null 2>&1 || missing="$missing iperf3"
[ -x /usr/sbin/iptables ] || missing="$missing iptables"
[ -x /usr/sbin/nft ] || missing="$missing nftables"
if [ -n "$missing" ]; then
  echo "setup: installing$missing"
  apt-get -qq update >/dev/null
  # shellcheck disable=SC2086
  apt-get -qq -y install --no-install-recommends $missing >/dev/null
fi
[ -e .cache/peers/complete ] && exit 0
echo "setup: unpacking Debian's dockerd and podman"
rm -rf .cache/peers
mkdir -p .cache/peers/deb
packages="docker.io podman netavark aardvark-dns conmon golang-github-containers-common golang-github-containers-image
  libgpgme11 libassuan0 libsubid4 libdevmapper1.02.1 catatonit"
# shellcheck disable=SC2086
download() { (cd .cache/peers/deb && apt-get -qq download $packages) >.cache/peers/log 2>&1; }
download || { apt-get -qq update >/dev/null && download; } || { cat .cache/peers/log >&2; exit 1; }
for package in .cache/peers/deb/*.deb; do dpkg-deb -x "$package" .cache/peers; done
# Where / and /usr are one, as everywhere since Debian 12.
cp -a .cache/peers/lib/. .cache/peers/usr/lib/
rm -rf .cache/peers/deb .cache/peers/lib .cache/peers/log
touch .cache/peers/complete
