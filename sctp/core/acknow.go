package core

// lossyPackets is how many packets with DATA a path must bring in order, without a gap
// or a duplicate, until it no longer counts as one that loses packets.
const lossyPackets = 1000

// freshPackets is the same for a new association, of whose path nothing is known yet:
// each of its first few packets is worth more than a SACK, and the peer's window grows
// by SACKs (§7.2.1).
const freshPackets = 32

// noteLoss remembers whether packets were lost lately, the peer's or our SACKs: a gap
// or a duplicate says so.
func (a *Association) noteLoss() {
	switch {
	case a.rx.tsn.HasGaps(), len(a.rx.tsn.Dups) > 0:
		a.rx.lossy = lossyPackets
	case a.rx.lossy > 0:
		a.rx.lossy--
	}
}

// AckNow says that a SACK is due that should not wait for the rest of a batch of
// packets: the caller polls for it before the next HandlePacket. RFC 9260 §6.2 asks for
// a SACK for at least every second packet and §6.7 for one for each packet beside a
// gap; where nothing is lost, one for a batch of packets that came together does as
// well and costs less. Where packets are lost it does not: the peer retransmits what
// three SACKs in a row report as missing (§7.2.4), and the only SACK of a round trip
// may get lost itself, so that T3-rtx has to expire.
func (a *Association) AckNow() bool { return a.rx.sackNow && a.rx.lossy > 0 }
