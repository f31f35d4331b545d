#!/bin/bash
# The interop rig: a private network namespace with two bridges, and User Mode
# Linux guests with kernel SCTP on them.  See README.md.
set -u
here=$(cd "$(dirname "$0")" && pwd)
cache=${INTEROP_DIR:-/var/tmp/interop}
ns=${INTEROP_NS:-sctprig}
run=$cache/run-$ns
uml=${INTEROP_UML:-/usr/bin/linux.uml}

usage() {
	sed 's/^\t//' <<-'END'
	usage: rig.sh VERB ...
	  up                        make the namespace and its two bridges
	  boot NAME N [SYSCTL=V...] boot guest NAME at 10.99.{1,2}.N (N 10-99)
	  run NAME CMD...           run CMD in the guest, print output, keep status
	  bg NAME TAG CMD...        start CMD in the guest; output in log NAME TAG
	  await NAME TAG REGEX      wait (TIMEOUT s) until its output matches
	  wait NAME TAG             wait (TIMEOUT s) for its end, keep its status
	  stop NAME TAG [SIGNAL]    signal that command (INT) and wait for its end
	  log NAME [TAG]            print a command's output, or the console
	  link NAME a|b up|down     plug or unplug one of the guest's interfaces
	  ns CMD...                 run CMD on the host's side of the namespace
	  node NAME N               make a host without a guest (a namespace of its
	                            own, eth0 and eth1) at 10.99.{1,2}.N (N 10-99)
	  in NAME CMD...            run CMD in that node
	  capture TAG FILE [FILTER] record both bridges into FILE (pcapng); with
	                            CAPTURE_KB=N into several of N kB at most
	  endcapture TAG            stop that recording
	  freeze NAME, thaw NAME    halt the guest's processor, and let it go on
	  crash NAME                stop the guest at once, as if power had failed
	  halt NAME                 power the guest off
	  status                    list the guests
	  down                      stop everything and remove the namespace
	END
	exit 2
}
die() { echo "rig.sh: $*" >&2; exit 1; }
alive() {
	local state
	[ -n "$1" ] && state=$(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) &&
		[ "$state" != Z ]
}
# nsenter and not `ip netns exec`: that one changes the mount namespace too, and
# a node that a program in the namespace makes would be seen by nobody else.
innet() { nsenter --net="/var/run/netns/$1" -- "${@:2}"; }
inns() { innet "$ns" "$@"; }
need_guest() { [ -d "$run/$1" ] || die "no guest $1"; }

up() {
	ip netns list 2>/dev/null | grep -qE "^$ns( |\$)" && return 0
	rm -rf "$run"	# pids of an earlier life
	mkdir -p "$run"
	ip netns add "$ns" || die "cannot make namespace $ns"
	inns ip link set lo up
	# No multicast snooping (no querier here), and no offloads, so that
	# captures show real checksums and real packet sizes.
	local i=1 b h
	inns sysctl -q -w net.ipv6.conf.default.accept_dad=0
	for b in a b; do
		inns ip link add "br-$b" type bridge mcast_snooping 0 forward_delay 0
		inns ethtool -K "br-$b" tx off tso off gso off gro off >/dev/null 2>&1
		# Set by hand it stays, whatever the MTU of a port becomes.
		inns ip link set "br-$b" mtu 1500 up
		for h in 1 2 3 4 5 6 7 8 9; do
			inns ip addr add "10.99.$i.$h/24" brd + dev "br-$b"
			inns ip -6 addr add "fd99:$i::$h/64" dev "br-$b" nodad
		done
		i=$((i + 1))
	done
	inns ip route add 224.0.0.0/4 dev br-a
	# Outside of the namespace these addresses lead nowhere: a program run
	# there by mistake gets an error at once and no packet leaves.
	ip route replace unreachable 10.99.0.0/16 2>/dev/null
	ip -6 route replace unreachable fd99::/16 2>/dev/null
	return 0
}

boot() {
	[ $# -ge 2 ] || usage
	local name=$1 n=$2 d t pid i; shift 2
	case $name in *[!a-z0-9]*|'') die "bad guest name";; esac
	case $n in [1-9][0-9]) ;; *) die "N must be 10-99";; esac
	up
	d=$run/$name
	[ -e "$d/pid" ] && alive "$(cat "$d/pid")" && die "guest $name is running"
	[ -e "$cache/xstate-shim.so" ] || die "run install.sh first"
	rm -rf "$d"; mkdir -p "$d/cmd" "$d/tmp"
	local sysctls; sysctls=$(printf '%s,' "$@")
	local nics=()
	i=0
	for t in a b; do
		inns ip link del "t$n$t" 2>/dev/null
		inns ip tuntap add "t$n$t" mode tap || die "no tap"
		inns ip link set "t$n$t" master "br-$t" up
		local mac; mac=$(printf '02:99:00:00:0%d:%02d' $((i + 1)) "$n")
		nics+=("eth$i=tuntap,t$n$t,$mac")
		i=$((i + 1))
	done
	echo "$n" >"$d/n"
	# A session of its own: its process group number is the recorded pid.
	TMPDIR=$d/tmp LD_PRELOAD=$cache/xstate-shim.so setsid \
	nsenter --net="/var/run/netns/$ns" -- "$uml" "mem=${INTEROP_MEM:-256M}" umid=uml \
		"uml_dir=$d/" root=/dev/root rootfstype=hostfs rootflags=/ ro \
		"init=$here/guest-init" "${nics[@]}" con=null con0=null,fd:1 \
		con1=null,fd:1 quiet "RIG_DIR=$d" "RIG_N=$n" "RIG_NAME=$name" \
		"RIG_ENCAP=${ENCAP:-9899}" "RIG_SYSCTL=${sysctls%,}" \
		</dev/null >"$d/console" 2>&1 &
	pid=$!
	echo $pid >"$d/pid"
	for ((i = 0; i < 1200; i++)); do # 3 s, but much more on a busy machine
		[ -e "$d/ready" ] && return 0
		alive $pid || break
		sleep 0.1
	done
	tail -20 "$d/console" >&2
	[ -e "$d/ready" ] || { crash "$name"; die "guest $name did not boot"; }
}

# A node is a namespace with a cable to each bridge, for userland stacks.
node() {
	[ $# = 2 ] || usage
	local name=$1 n=$2 t i=0
	case $name in *[!a-z0-9]*|'') die "bad node name";; esac
	case $n in [1-9][0-9]) ;; *) die "N must be 10-99";; esac
	up
	[ -e "$run/$name/n" ] && ip netns list | grep -qE "^$ns-$name( |\$)" &&
		return 0
	mkdir -p "$run/$name"
	echo "$n" >"$run/$name/n"
	ip netns add "$ns-$name" || die "cannot make namespace $ns-$name"
	ip -n "$ns-$name" link set lo up
	innet "$ns-$name" sysctl -q -w net.ipv6.conf.default.accept_dad=0
	for t in a b; do
		inns ip link add "t$n$t" type veth peer name "eth$i" \
			netns "$ns-$name" || die "no veth"
		inns ip link set "t$n$t" master "br-$t" up
		innet "$ns-$name" ethtool -K "eth$i" tx off tso off \
			gso off gro off >/dev/null 2>&1
		ip -n "$ns-$name" link set "eth$i" up
		i=$((i + 1))
		ip -n "$ns-$name" addr add "10.99.$i.$n/24" brd + \
			dev "eth$((i - 1))"
		ip -n "$ns-$name" addr add "fd99:$i::$n/64" dev "eth$((i - 1))" nodad
	done
	ip -n "$ns-$name" route add 224.0.0.0/4 dev eth0
}
innode() {
	[ $# -ge 2 ] || usage
	local name=$1; shift
	[ -e "/var/run/netns/$ns-$name" ] || die "no node $name"
	exec nsenter --net="/var/run/netns/$ns-$name" -- "$@"
}

# Drops a command file for the guest's agent; sets $job to its stem.
submit() {
	local name=$1 tmp; shift
	need_guest "$name"
	alive "$(cat "$run/$name/pid")" || die "guest $name is not running"
	job=$run/$name/cmd/$(date +%s%N)-$$
	tmp=$job.new
	printf '%s\n' "$@" >"$tmp"
	mv "$tmp" "$job.sh"
}
quoted() { local a s=; for a; do s="$s ${a@Q}"; done; echo "$s"; }

run() {
	[ $# -ge 2 ] || usage
	local name=$1 limit=${TIMEOUT:-60} i rc; shift
	submit "$name" "exec timeout -k 5 $limit $(quoted "$@")"
	for ((i = 0; i < (limit + 10) * 20; i++)); do
		[ -e "$job.rc" ] && break
		alive "$(cat "$run/$name/pid")" || break
		sleep 0.05
	done
	cat "$job.out" 2>/dev/null
	rc=$(cat "$job.rc" 2>/dev/null || echo 125)
	rm -f "$job".*
	return "$rc"
}

bg() {
	[ $# -ge 3 ] || usage
	local name=$1 tag=$2 i; shift 2
	rm -f "$run/$name/$tag".{log,gpid,rc}
	submit "$name" "exec >/run/rig/$tag.log 2>&1" "$(quoted "$@") & p=\$!" \
		"echo \$p >/run/rig/$tag.gpid" "wait \$p" \
		"echo \$? >/run/rig/$tag.rc"
	for ((i = 0; i < 400; i++)); do
		[ -s "$run/$name/$tag.gpid" ] && return 0
		sleep 0.05
	done
	die "$tag did not start in $name"
}

# Waits until a command's output (or the console) matches a pattern.
await() {
	[ $# -ge 3 ] || usage
	local f=$run/$1/$2.log i
	[ "$2" = - ] && f=$run/$1/console
	for ((i = 0; i < ${TIMEOUT:-30} * 10; i++)); do
		grep -aEq -- "$3" "$f" 2>/dev/null && return 0
		sleep 0.1
	done
	die "$1 $2: no /$3/ within ${TIMEOUT:-30} s"
}

# Waits for a background command's end and returns its status.
wait_end() {
	[ $# = 2 ] || usage
	local rc=$run/$1/$2.rc i
	need_guest "$1"
	for ((i = 0; i < ${TIMEOUT:-30} * 10; i++)); do
		[ -s "$rc" ] && return "$(cat "$rc")"
		alive "$(cat "$run/$1/pid")" || die "guest $1 is not running"
		sleep 0.1
	done
	die "$1 $2: still running after ${TIMEOUT:-30} s"
}

stop() {
	[ $# -ge 2 ] || usage
	local name=$1 tag=$2 sig=${3:-INT} i
	need_guest "$name"
	run "$name" kill "-$sig" "$(cat "$run/$name/$tag.gpid")"
	for ((i = 0; i < 300; i++)); do
		[ -e "$run/$name/$tag.rc" ] && return 0
		sleep 0.05
	done
	run "$name" kill -KILL "$(cat "$run/$name/$tag.gpid")"
	return 1
}

# Only the kernel itself: its children wait for it, and would not survive a signal.
freeze() { need_guest "$1"; kill -STOP "$(cat "$run/$1/pid")"; }
thaw() { need_guest "$1"; kill -CONT "$(cat "$run/$1/pid")"; }

crash() {
	need_guest "$1"
	local p; p=$(cat "$run/$1/pid")
	alive "$p" && kill -KILL -- "-$p" 2>/dev/null
	local n t i; n=$(cat "$run/$1/n")
	for ((i = 0; i < 50; i++)); do alive "$p" || break; sleep 0.05; done
	for t in a b; do inns ip link del "t$n$t" 2>/dev/null; done
	return 0
}

halt() {
	need_guest "$1"
	local p i; p=$(cat "$run/$1/pid")
	if alive "$p"; then
		submit "$1" "poweroff -f"
		for ((i = 0; i < 50; i++)); do alive "$p" || break; sleep 0.1; done
	fi
	crash "$1"
}

link() {
	[ $# = 3 ] || usage
	need_guest "$1"
	inns ip link set "t$(cat "$run/$1/n")$2" "$3"
}

capture() {
	[ $# -ge 2 ] || usage
	local tag=$1 file=$2 i ring=(); shift 2
	[ -n "${CAPTURE_KB:-}" ] && ring=(-b "filesize:$CAPTURE_KB")
	mkdir -p "$run/cap"
	nsenter --net="/var/run/netns/$ns" -- setsid dumpcap -q -B 64 -f "${*:-udp or sctp or icmp}" \
		-i br-a -i br-b -w "$file" ${ring[@]+"${ring[@]}"} \
		>"$run/cap/$tag.err" 2>&1 </dev/null &
	echo $! >"$run/cap/$tag.pid"
	for ((i = 0; i < 50; i++)); do
		grep -q '^File:' "$run/cap/$tag.err" && break
		sleep 0.1
	done
	sleep 0.3
}
endcapture() {
	local p i; p=$(cat "$run/cap/$1.pid") || die "no capture $1"
	sleep 0.5
	alive "$p" && kill -TERM "$p"
	for ((i = 0; i < 50; i++)); do alive "$p" || break; sleep 0.1; done
	rm -f "$run/cap/$1.pid"
}

status() {
	local d n s
	for d in "$run"/*/; do
		[ -e "$d/n" ] || continue
		n=$(basename "$d")
		[ -e "$d/pid" ] || {
			echo "$n 10.99.1.$(cat "$d/n") 10.99.2.$(cat "$d/n") node"
			continue
		}
		alive "$(cat "$d/pid")" && s=running || s=stopped
		echo "$n 10.99.1.$(cat "$d/n") 10.99.2.$(cat "$d/n") $s"
	done
}

down() {
	local d f
	for f in "$run"/cap/*.pid; do
		[ -e "$f" ] && endcapture "$(basename "$f" .pid)"
	done
	for d in "$run"/*/; do
		[ -e "$d/pid" ] && crash "$(basename "$d")"
		ip netns del "$ns-$(basename "$d")" 2>/dev/null
		rm -rf "$d"
	done
	ip netns del "$ns" 2>/dev/null
	# The unreachable routes stay: they keep stray packets in.
	return 0
}

verb=${1:-}; [ $# -gt 0 ] && shift
case $verb in
up|boot|node|run|bg|await|stop|link|capture|endcapture|freeze|thaw|crash|halt|status|down) "$verb" "$@";;
wait) wait_end "$@";;
ns) up; inns "$@";;
in) innode "$@";;
log) need_guest "$1"; cat "$run/$1/${2:-console}${2:+.log}";;
*) usage;;
esac
