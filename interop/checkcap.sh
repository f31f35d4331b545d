#!/bin/bash
# checkcap.sh FILE...: has tshark look at captures for packets that our side
# sent and that it calls malformed, or whose SCTP, UDP or IP checksum is
# wrong.  Our side is the host's addresses .1 to .8 on both networks; .9 is for
# tests that send rubbish on purpose.  Prints each bad packet, and the number
# of packets looked at; exit 1 if any is bad, or if there are fewer than
# CHECKCAP_MIN.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: checkcap.sh FILE..." >&2; exit 2; }

# An ICMP message quotes the cut-off start of a packet: not ours, and cut off.
ours='(udp or sctp) and not icmp and not icmpv6 and (
	ip.src in {10.99.1.1 .. 10.99.1.8, 10.99.2.1 .. 10.99.2.8} or
	ipv6.src in {fd99:1::1 .. fd99:1::8, fd99:2::1 .. fd99:2::8})'
bad='_ws.expert.group == "Malformed" or sctp.checksum.status == "Bad" or
	udp.checksum.status == "Bad" or ip.checksum.status == "Bad"'
look() {
	tshark -n -r "$1" -o 'sctp.checksum:CRC 32c' -o udp.check_checksum:TRUE \
		-o ip.check_checksum:TRUE -Y "${2//$'\n'/ }" "${@:3}" 2>/dev/null
}

packets=0 wrong=0
for f; do
	n=$(look "$f" "$ours" -T fields -e frame.number | wc -l)
	packets=$((packets + n))
	[ "$n" -gt 0 ] || continue
	out=$(look "$f" "($ours) and ($bad)" -T fields -e frame.number -e ip.src -e ip.dst \
		-e ipv6.src -e ipv6.dst -e sctp.checksum.status -e _ws.expert.message)
	if [ -n "$out" ]; then
		wrong=$((wrong + $(wc -l <<<"$out")))
		sed "s|^|bad packet: $f: frame |" <<<"$out" | head -20
	fi
done
echo "checkcap: $packets packets of ours in $# files, $wrong of them bad"
[ "$wrong" = 0 ] && [ "$packets" -ge "${CHECKCAP_MIN:-0}" ]
