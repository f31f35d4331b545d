#!/bin/bash
# Builds every peer and runs the plan: quick.txt (a few minutes), or with
# PLAN=plan.txt the whole one (a quarter of an hour). ROUNDS=N; peers can be
# left out with SKIP="tcp quic". Writes ../RESULTS.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"
mkdir -p bin

# usrsctp from Debian's package; without it, and without root to install it, the
# others are still worth comparing.
if ! [ -e /usr/include/usrsctp.h ] || ! command -v cc >/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q update
		apt-get -q install -y --no-install-recommends libusrsctp-dev gcc libc6-dev
	else
		echo "bench: no libusrsctp-dev, so usrsctp is left out" >&2
	fi
fi
go build -o bin/ ./peers ./run
peers=()
add() { [[ " ${SKIP:-} " = *" $1 "* ]] || peers+=("$1=$2"); }
# Paths relative to the root: the report shows the commands.
cd "$root"
if [ -x bin/sctp ]; then
	add ours "bin/sctp perf"
else
	echo "bench: no bin/sctp (make build), so our stack is left out" >&2
fi
if [ -e /usr/include/usrsctp.h ]; then
	cc -O2 -Wall -o "$here/bin/usrsctp" "$here/usrsctp/peer.c" -lusrsctp -lpthread
	add usrsctp bench/compare/bin/usrsctp
fi
for p in pion quic tcp rawudp-batch rawudp-gso rawudp-gso-work; do
	add $p "bench/compare/bin/peers $p"
done
if [ "${PLAN:-quick.txt}" != quick.txt ]; then # the raw limit in detail
	for p in rawudp rawudp-work rawudp-gsotx rawudp-batch32 rawudp-gsobatch; do
		add $p "bench/compare/bin/peers $p"
	done
fi
bench/compare/bin/run -rounds "${ROUNDS:-3}" -plan "bench/compare/${PLAN:-quick.txt}" \
	-o bench/compare/raw.jsonl -report "${REPORT:-bench/RESULTS.md}" "${peers[@]}"
