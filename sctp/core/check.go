package core

import "math"

// Check says which value of the configuration is outside of its bounds, the first
// one as a *ParameterError. Associations take the nearest value within.
func (c *Config) Check() error {
	least := 0
	if c.PrimarySwitchover {
		least = c.leastSwitchover()
	}
	interval := c.HeartbeatInterval
	if c.DisableHeartbeat {
		interval = 0
	}
	return firstError(
		inRange("RTO.Initial", c.RTOInitial, minTimeout, maxTimeout),
		inRange("RTO.Max", c.RTOMax, minTimeout, maxTimeout),
		inRange("RTO.Min", c.RTOMin, minTimeout, c.RTOMax),
		inRange("SACK.Delay", c.SackDelay, 0, maxSackDelay),
		inRange("SACK frequency", c.SackFrequency, 1, math.MaxInt32),
		inRange("Valid.Cookie.Life", c.CookieLife, minTimeout, keyLife),
		inRange("HB.interval", interval, 0, maxTimeout),
		inRange("HB.Max.Burst", c.HeartbeatMaxBurst, 1, math.MaxInt32),
		inRange("Max.Burst", c.MaxBurst, 0, math.MaxInt32),
		inRange("Association.Max.Retrans", c.AssociationMaxRetrans, 0, maxRetrans),
		inRange("Path.Max.Retrans", c.PathMaxRetrans, 0, maxRetrans),
		inRange("PotentiallyFailed.Max.Retrans", c.PFMaxRetrans, 0, maxRetrans),
		inRange("Primary.Switchover.Max.Retrans", c.PrimaryMaxRetrans, least, maxRetrans),
		inRange("Max.Init.Retransmits", c.MaxInitRetransmits, 0, math.MaxInt32),
		inRange("RecvBuffer", c.RecvBuffer, minRecvBuffer, maxBuffer),
		inRange("SendBuffer", c.SendBuffer, 1, maxBuffer),
		inRange("MaxMessageSize", c.MaxMessageSize, 1, maxBuffer),
		inRange("MTU", c.MTU, minMTU, maxMTU),
	)
}
