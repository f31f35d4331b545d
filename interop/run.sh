#!/bin/bash
# The whole interop run (make interop): installs what it needs, builds our
# programs, boots the peers, runs the tests of this folder beside them, has
# tshark check every packet that we sent, removes everything again.
#
# Where the rig can't run it says so in a line and exits 0; with CI=true that
# is a failure.  INTEROP_RUN=REGEX picks tests; INTEROP_KEEP=1 keeps the
# captures of a run that passed.  See README.md.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
export INTEROP_DIR=${INTEROP_DIR:-/var/tmp/interop}
export INTEROP_NS=${INTEROP_NS:-sctpinterop}
export INTEROP_BIN=$INTEROP_DIR/bin-$INTEROP_NS
export INTEROP_OUT=$INTEROP_DIR/out-$INTEROP_NS
export INTEROP_RIG=$here/rig.sh
rig=$INTEROP_RIG

cannot() {
	if [ "${CI:-}" = true ]; then
		echo "interop: cannot run: $1" >&2
		exit 1
	fi
	echo "interop: skipped: $1"
	exit 0
}
die() { echo "interop: $*" >&2; exit 1; }

[ "$(uname -s)/$(uname -m)" = Linux/x86_64 ] || cannot "needs Linux on amd64"
[ "$(id -u)" = 0 ] || cannot "needs root"
[ -e /etc/debian_version ] && command -v apt-get >/dev/null || cannot "needs Debian"
"$here/install.sh" || cannot "install.sh failed"
unshare --net true 2>/dev/null || cannot "needs network namespaces"

start=$SECONDS
mkdir -p "$INTEROP_BIN"
rm -rf "$INTEROP_OUT"
mkdir -p "$INTEROP_OUT"
cd "$root" || exit 1
export CGO_ENABLED=0 # the guests run these too
go build -o "$INTEROP_BIN/" ./cmd/sctp ./cmd/rserpool || die "build failed"
go test -c -tags interop -o "$INTEROP_BIN/interop.test" ./interop || die "build of the tests failed"
cp "$here/peer.py" "$INTEROP_DIR/xfer" "$INTEROP_DIR/xfer_usrsctp" "$INTEROP_BIN/"

trap '"$rig" down' EXIT
trap 'exit 130' INT TERM
"$rig" down
"$rig" up || die "no rig"
# Kernel SCTP: k1 to k4. rsplib's registrars and friends: r1 to r4, without
# IPv6 (README.md, Traps). usrsctp: the nodes n1 and n2. The timers are quick,
# so that a dead path shows within a second or two; the buffers are larger than
# the distribution's 208 KiB, which many small messages overrun: the kernel then
# drops what it has no memory for, and tests would measure timers.
timers="net.sctp.rto_min=200 net.sctp.rto_initial=500 net.sctp.path_max_retrans=2"
k="net.sctp.rto_max=2000 net.sctp.hb_interval=1000 net.core.rmem_max=33554432 net.core.wmem_max=33554432"
v4="net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"
rsp="net.sctp.rto_max=800 net.sctp.association_max_retrans=4"
export INTEROP_KERNEL_SYSCTLS="$timers $k"
boots=()
for g in k1:11 k2:12 k3:16 k4:17 r1:13 r2:14 r3:15 r4:18; do
	case $g in
	k*) more=$k;;
	r*) more="$v4 $rsp";;
	esac
	# shellcheck disable=SC2086
	"$rig" boot ${g%:*} ${g#*:} $timers $more &
	boots+=($!)
done
for p in "${boots[@]}"; do
	wait "$p" || die "a guest did not boot"
done
"$rig" node n1 41 && "$rig" node n2 42 || die "no nodes"
echo "interop: rig up after $((SECONDS - start)) s"

# tshark takes its time: while tests wait for timers it judges what is recorded
# already, all files but the newest, on which the recorder is.
judge() {
	[ -e "$1.judged" ] && return
	nice "$here/checkcap.sh" "$1" >"$1.judging" 2>&1
	mv "$1.judging" "$1.judged"
}
meanwhile() {
	local f
	while [ ! -e "$INTEROP_OUT/over" ]; do
		# shellcheck disable=SC2012
		for f in $(ls -t "$INTEROP_OUT"/all*.pcapng | tail -n +2); do judge "$f"; done
		sleep 2
	done
}

CAPTURE_KB=65536 "$rig" capture all "$INTEROP_OUT/all.pcapng" || die "no capture"
meanwhile &
judging=$!
# tests REGEX runs the tests whose names match.
tests() {
	(cd "$here" && "$rig" ns "$INTEROP_BIN/interop.test" -test.v -test.timeout 25m \
		-test.parallel 64 -test.run "$1") | tee "$INTEROP_OUT/tests.log"
	return "${PIPESTATUS[0]}"
}
tests "${INTEROP_RUN:-.}"
rc=$?
# The peers keep real time, eight kernels on however few cores. What failed among all
# the others gets a second chance without them, and is named either way.
if [ $rc != 0 ] && ! grep -q '^panic: ' "$INTEROP_OUT/tests.log"; then
	again=$(sed -n 's/^--- FAIL: \([A-Za-z0-9_]*\).*/\1/p' "$INTEROP_OUT/tests.log" | sort -u)
	if [ -n "$again" ] && [ "$(wc -l <<<"$again")" -le 4 ]; then
		echo "interop: again, by themselves: ${again//$'\n'/ }"
		cp "$INTEROP_OUT/tests.log" "$INTEROP_OUT/first.log"
		tests "^($(paste -sd'|' <<<"$again"))\$"
		rc=$?
	fi
fi
"$rig" endcapture all
echo "interop: tests took $((SECONDS - start)) s, status $rc"

touch "$INTEROP_OUT/over"
wait $judging
for f in "$INTEROP_OUT"/all*.pcapng; do judge "$f"; done
grep -h '^bad packet' "$INTEROP_OUT"/*.judged
sums=$(sed -n 's/^checkcap: \([0-9]*\) packets of ours in 1 files, \([0-9]*\) of them bad$/\1 \2/p' \
	"$INTEROP_OUT"/*.judged | awk '{ p += $1; b += $2; n++ } END { print p + 0, b + 0, n + 0 }')
read -r packets bad files <<<"$sums"
echo "interop: tshark judged $packets packets of ours in $files files, $bad of them bad"
[ "$bad" = 0 ] && [ "$files" = "$(printf '%s\n' "$INTEROP_OUT"/all*.pcapng | wc -l)" ] || rc=1
# Tests that ran a stack of ours say so; then no packets means a broken capture.
# Some tests alone send none through the rig's networks.
[ -z "${INTEROP_RUN:-}" ] && [ -e "$INTEROP_OUT/ours" ] && [ "$packets" -lt 10 ] && rc=1
if [ $rc = 0 ] && [ -z "${INTEROP_KEEP:-}" ]; then
	rm -rf "$INTEROP_OUT"
else
	echo "interop: captures and logs are in $INTEROP_OUT"
fi
echo "interop: done after $((SECONDS - start)) s, status $rc"
exit $rc
