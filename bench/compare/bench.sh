#!/bin/bash
# Builds every peer and runs plan.txt, or of it what BENCH=bulk,assoc names. ROUNDS=N (7);
# peers can be left out with SKIP="tcp quic". The whole plan writes ../RESULTS.md and
# ../results.svg; a part of it only prints, unless REPORT or PLOT name files.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$here"
mkdir -p bin
say() { echo "bench: $*" >&2; }

# usrsctp from Debian's package; without it, and without root to install it, the
# others are still worth comparing.
if ! [ -e /usr/include/usrsctp.h ] || ! command -v cc >/dev/null; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		export DEBIAN_FRONTEND=noninteractive
		apt-get -q update
		apt-get -q install -y --no-install-recommends libusrsctp-dev gcc libc6-dev
	else
		say "no libusrsctp-dev, so usrsctp is left out"
	fi
fi
[ "$(id -u)" = 0 ] || say "without root there are no links with delay and loss"
go build -o bin/ ./peers ./run

peers=()
add() { [[ " ${SKIP:-} " = *" $1 "* ]] || peers+=("$1=$2"); }
# Paths relative to the root: the report shows the commands.
cd "$root"
if [ -x bin/sctp ]; then
	add ours "bin/sctp perf"
	add ours-plain "bin/sctp perf --no-offload"
	add ours-2 "bin/sctp perf --sockets 2"
	add ours-cubic "bin/sctp perf --congestion cubic"
else
	say "no bin/sctp (make build), so our stack is left out"
fi
if [ -e /usr/include/usrsctp.h ]; then
	cc -O2 -Wall -o "$here/bin/usrsctp" "$here/usrsctp/peer.c" -lusrsctp -lpthread
	add usrsctp bench/compare/bin/usrsctp
	# The same release, built for speed: see build.sh.
	if [[ " ${SKIP:-} " != *" usrsctp-o2 "* ]] && bench/compare/usrsctp/build.sh; then
		add usrsctp-o2 bench/compare/bin/usrsctp-o2
	fi
fi
for p in pion quic tcp tcp-reno rawudp rawudp-batch rawudp-gso rawudp-work rawudp-gso-work; do
	add $p "bench/compare/bin/peers $p"
done
for p in rawudp-gsotx rawudp-batch32 rawudp-gsobatch; do # only for tests of the raw limit
	[[ "${BENCH:-}" != *extra* ]] || add $p "bench/compare/bin/peers $p"
done

out=()
if [ -z "${BENCH:-}" ]; then
	REPORT=${REPORT:-bench/RESULTS.md} PLOT=${PLOT:-bench/results.svg}
fi
[ -z "${REPORT:-}" ] || out+=(-report "$REPORT")
[ -z "${PLOT:-}" ] || out+=(-plot "$PLOT")
out+=(-with bench/RESOLUTIONS.md) # has a runner of its own: make bench-resolve
# A network namespace of its own keeps the ports of others out of the way.
isolated=()
if unshare -n ip link set lo up 2>/dev/null; then
	isolated=(unshare -n sh -c 'ip link set lo up && exec "$@"' sh)
fi
"${isolated[@]}" bench/compare/bin/run -rounds "${ROUNDS:-7}" -plan bench/compare/plan.txt -only "${BENCH:-}" \
	-targets bench/compare/targets.txt -o "${RAW:-bench/compare/raw.jsonl}" \
	-as "make bench-peers ROUNDS=${ROUNDS:-7}${BENCH:+ BENCH=$BENCH}${SKIP:+ SKIP='$SKIP'}" "${out[@]}" "${peers[@]}"
