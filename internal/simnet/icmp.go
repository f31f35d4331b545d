package simnet

import (
	"bytes"
	"time"

	"github.com/rserpool/rserpool/sctp/carrier"
)

// maxQuoted is how much of a packet an ICMP message quotes.
const maxQuoted = 128

// SetICMP makes the network tell senders, on their carriers, of packets that are
// larger than the MTU of a link and of those that nobody is bound for (RFC 792, RFC
// 4443). Off by default, as on a path that a firewall is part of. It is for
// networks with carriers; without, Notices has the messages, and nobody is missed.
func (n *Network) SetICMP(on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.icmp = on
}

// report sends an ICMP message about f back over the link that it came by. NATs
// translate it, the quoted addresses included (RFC 5508 §4).
func (n *Network) report(now time.Time, f *flight, kind carrier.NoticeKind, l *Link) {
	if !n.icmp {
		return
	}
	notice := &carrier.Notice{Kind: kind, Local: f.sent.from.Addr(), Remote: f.sent.to,
		Quoted: bytes.Clone(f.pack.Data[:min(len(f.pack.Data), maxQuoted)])}
	if kind == carrier.NoticeTooBig {
		notice.MTU = l.MTU
	}
	n.add(flight{at: now.Add(l.Delay), hop: direction{f.hop.to, f.hop.from}, sent: f.sent, icmp: notice})
}

// Notices takes out the ICMP messages that Deliver has found to have arrived. Carriers
// get theirs by themselves.
func (n *Network) Notices() []carrier.Notice {
	n.mu.Lock()
	defer n.mu.Unlock()
	out := n.notices
	n.notices = nil
	return out
}

// returned hands an ICMP message to the carrier whose packet it is about.
func (n *Network) returned(f *flight) {
	if c := n.live.bound[f.sent.from]; c != nil && !n.cut(f.hop) {
		c.queue.putNotice(f.icmp)
	}
}

// link is what applies to a direction.
func (n *Network) link(d direction) *Link {
	if st := n.paths[d]; st != nil && st.explicit {
		return &st.link
	}
	return &n.fallback
}
