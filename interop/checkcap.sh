#!/bin/bash
# checkcap.sh FILE...: has tshark look at captures for packets that our side
# sent and that it calls malformed, or whose SCTP, UDP or IP checksum is
# wrong.  Our side is the host's addresses .1 to .8 and the nodes .61 to .99 on
# both networks;
# .9 and the nodes .21 to .39 are for tests that send rubbish on purpose.  Prints each bad packet, and the number
# of packets looked at; exit 1 if any is bad, or if there are fewer than
# CHECKCAP_MIN.
set -euo pipefail
[ $# -gt 0 ] || { echo "usage: checkcap.sh FILE..." >&2; exit 2; }

# An ICMP message quotes the cut-off start of a packet: not ours, and cut off.
ours='(udp or sctp) and not icmp and not icmpv6 and (
	ip.src in {10.99.1.1 .. 10.99.1.8, 10.99.2.1 .. 10.99.2.8, 10.99.1.61 .. 10.99.1.99, 10.99.2.61 .. 10.99.2.99} or
	ipv6.src in {fd99:1::1 .. fd99:1::8, fd99:2::1 .. fd99:2::8, fd99:1::61 .. fd99:1::99, fd99:2::61 .. fd99:2::99})'

# One line a packet of ours. A checksum's status is 0 when it is bad;
# 117440512 is the group of expert notes called Malformed.
look() {
	tshark -n -r "$1" -Y "${ours//$'\n'/ }" -o 'sctp.checksum:CRC 32c' \
		-o udp.check_checksum:TRUE -o ip.check_checksum:TRUE -o sctp.tsn_analysis:FALSE \
		-T fields -E separator='|' -e frame.number -e ip.src -e ip.dst -e ipv6.src -e ipv6.dst \
		-e sctp.checksum.status -e udp.checksum.status -e ip.checksum.status \
		-e _ws.expert.group -e _ws.expert.message 2>/dev/null |
	awk -F'|' -v file="$1" '
		{ packets++ }
		$6 $7 $8 ~ /0/ || $9 ~ /117440512/ {
			if (++bad <= 20)
				printf "bad packet: %s: frame %s, %s%s to %s%s: %s\n", file, $1, $2, $4, $3, $5, $10
		}
		END { print packets + 0, bad + 0 }'
}

packets=0 bad=0
for f; do
	[ -r "$f" ] || { echo "checkcap: no file $f" >&2; exit 2; }
	out=$(look "$f")
	sums=$(tail -1 <<<"$out")
	grep '^bad packet' <<<"$out" || true
	packets=$((packets + ${sums% *})) bad=$((bad + ${sums#* }))
done
echo "checkcap: $packets packets of ours in $# files, $bad of them bad"
[ "$bad" = 0 ] && [ "$packets" -ge "${CHECKCAP_MIN:-0}" ]
