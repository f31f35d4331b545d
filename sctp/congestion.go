package sctp

import "github.com/rserpool/rserpool/sctp/congestion"

// Reno is the congestion control of RFC 9260 §7.2, for Config.Congestion.
func Reno(pmdcs int, ipv6 bool) congestion.Controller { return congestion.Reno(pmdcs, ipv6) }

// Cubic is the congestion control of RFC 9438, for Config.Congestion: on paths of high
// bandwidth and long delay it is back at full speed seconds after a loss, where Reno
// takes minutes.
func Cubic(pmdcs int, ipv6 bool) congestion.Controller { return congestion.Cubic(pmdcs, ipv6) }
