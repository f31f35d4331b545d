package scenario

import (
	"time"
)

// configure changes the configuration that the next association gets:
//
//	rto.initial= rto.min= rto.max= sack.delay= cookie.life=   durations
//	hb=          HB.interval, or off
//	sack.frequency= burst= assoc.retrans= path.retrans= init.retrans=
//	pf= psmr= hb.burst=   RFC 7829: the first two turn their mechanism on
//	os= mis= recvbuf= sendbuf= maxmessage= mtu=   numbers
//	nagle        small messages wait for others
//	ecn          Explicit Congestion Notification is offered
//	strict       no second fast retransmission, no loss probes
//	undelivered  messages that could not be delivered are shown
//	hidepf       potentially failed paths are shown as active
func (h *host) configure(f *fields) error {
	c := &h.cfg
	for key, p := range map[string]*time.Duration{
		"rto.initial": &c.RTOInitial, "rto.min": &c.RTOMin, "rto.max": &c.RTOMax,
		"sack.delay": &c.SackDelay, "cookie.life": &c.CookieLife,
	} {
		*p = f.duration(key, *p)
	}
	for key, p := range map[string]*int{
		"sack.frequency": &c.SackFrequency, "burst": &c.MaxBurst,
		"assoc.retrans": &c.AssociationMaxRetrans, "path.retrans": &c.PathMaxRetrans, "init.retrans": &c.MaxInitRetransmits,
		"pf": &c.PFMaxRetrans, "psmr": &c.PrimaryMaxRetrans, "hb.burst": &c.HeartbeatMaxBurst,
		"recvbuf": &c.RecvBuffer, "sendbuf": &c.SendBuffer, "maxmessage": &c.MaxMessageSize, "mtu": &c.MTU,
	} {
		was := len(f.words)
		*p = int(f.number(key, int64(*p)))
		if given := len(f.words) < was; given {
			c.PotentiallyFailed = c.PotentiallyFailed || key == "pf"
			c.PrimarySwitchover = c.PrimarySwitchover || key == "psmr"
		}
	}
	c.HidePotentiallyFailed = c.HidePotentiallyFailed || f.flag("hidepf")
	c.OutStreams = uint16(f.number("os", int64(c.OutStreams)))
	c.MaxInStreams = uint16(f.number("mis", int64(c.MaxInStreams)))
	if f.flag("undelivered") {
		c.ReportUndelivered = true
	}
	c.ECN = c.ECN || f.flag("ecn")
	c.StrictRecovery = c.StrictRecovery || f.flag("strict")
	if f.flag("nagle") {
		c.NoDelay = false
	}
	if v, ok := f.value("hb"); ok {
		if v == "off" {
			c.DisableHeartbeat = true
			return nil
		}
		d, err := time.ParseDuration(v)
		c.HeartbeatInterval, c.DisableHeartbeat = d, false
		return err
	}
	return nil
}
