#!/bin/bash
# Installs what the interop rig needs: Debian packages, the small ptrace shim
# for User Mode Linux, and the transfer programs.  Idempotent; run as root.
# See README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${INTEROP_DIR:-/var/tmp/interop}
pkgs="user-mode-linux rsplib-registrar rsplib-services rsplib-tools
  libusrsctp-examples libusrsctp-dev tshark iproute2 ethtool kmod procps
  util-linux python3-minimal gcc libc6-dev linux-libc-dev"

die() { echo "install.sh: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "must be root"
case $cache in /tmp/*|/run/*|/dev/*) die "INTEROP_DIR in $cache: guests could not see it";; esac

missing=
for p in $pkgs; do
	dpkg-query -W -f '${Status}' "$p" 2>/dev/null |
		grep -q 'ok installed' || missing="$missing $p"
done
if [ -n "$missing" ]; then
	export DEBIAN_FRONTEND=noninteractive
	timeout 120 apt-get -q update
	# shellcheck disable=SC2086
	timeout 480 apt-get -q install -y --no-install-recommends $missing
fi

mkdir -p "$cache"
compile() { # compile OUTPUT SOURCE ARGS...
	local out=$cache/$1 src=$here/$2
	if [ ! -e "$out" ] || [ "$src" -nt "$out" ] || [ "$here/xfer.h" -nt "$out" ]; then
		gcc -O2 -Wall -o "$out.$$" "$src" "${@:3}"
		mv "$out.$$" "$out"
	fi
}
compile xstate-shim.so xstate-shim.c -shared -fPIC
compile xfer xfer.c -lpthread
compile xfer_usrsctp xfer_usrsctp.c -lusrsctp -lpthread

kmods=$(echo /usr/lib/uml/modules/*/kernel/net/sctp/sctp.ko)
[ -e "$kmods" ] || die "no sctp.ko for User Mode Linux"
echo "interop rig ready: $kmods, programs in $cache"
