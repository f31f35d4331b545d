package daemon

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/rserpool"
)

// clientDescs is what elements and users have.
var clientDescs = describe(map[string]metric{
	"element_info": {"This pool element (rserpoolPETable); always 1.",
		[]string{"pool", "pe", "home", "proto", "port", "udp_port", "use", "asap_port", "policy", "policy_id"}},
	"element_address_info":              {"An address of this pool element, as registered; always 1.", []string{"pool", "pe", "type", "address"}},
	"element_uptime_seconds":            {"Seconds since the start (rserpoolPEUptime).", []string{"pool", "pe"}},
	"element_registered":                {"1 if the home registrar has accepted the element and is there.", []string{"pool", "pe"}},
	"element_load_ratio":                {"Load, 0 to 1 (rserpoolPEPolicyLoad).", []string{"pool", "pe"}},
	"element_load_degradation_ratio":    {"What one more request adds to the load (rserpoolPEPolicyLoadDeg).", []string{"pool", "pe"}},
	"element_weight":                    {"Weight (rserpoolPEPolicyWeight).", []string{"pool", "pe"}},
	"element_priority":                  {"Priority.", []string{"pool", "pe"}},
	"element_registration_life_seconds": {"How long a registration lasts (rserpoolPERegistrationLife).", []string{"pool", "pe"}},
	"element_sessions":                  {"Sessions with users.", []string{"pool", "pe"}},
	"element_sessions_accepted_total":   {"Sessions that users have opened.", []string{"pool", "pe"}},
	"element_registrations_total":       {"Registrations by result.", []string{"pool", "pe", "result"}},
	"element_homes_lost_total":          {"Associations with home registrars that ended.", []string{"pool", "pe"}},
	"element_cookies_sent_total":        {"State cookies sent to users.", []string{"pool", "pe"}},
	"element_cookie_sent_bytes_total":   {"Bytes of state cookies sent to users.", []string{"pool", "pe"}},
	"element_cookies_echoed_total":      {"State cookies of users that come from another element.", []string{"pool", "pe"}},

	"user_info":                      {"A pool that this pool user talks to (rserpoolPUTable); always 1.", []string{"pool"}},
	"user_uptime_seconds":            {"Seconds since the start (rserpoolPUUptime).", nil},
	"user_sessions":                  {"Sessions with elements.", nil},
	"user_resolutions_total":         {"Handle resolutions, by who answered.", []string{"from"}},
	"user_resolutions_stale_total":   {"Handle resolutions answered by an old cache entry because there was no registrar.", nil},
	"user_resolutions_failed_total":  {"Handle resolutions without elements.", nil},
	"user_resolution_seconds_total":  {"Time that registrars took to answer handle resolutions.", nil},
	"user_selections_total":          {"Elements that were selected and dialed.", []string{"pool", "pe"}},
	"user_selections_omitted_total":  {"Selections of elements without series of their own.", nil},
	"user_dial_failures_total":       {"Elements that could not be reached.", nil},
	"user_failovers_total":           {"Fail-overs of sessions by result.", []string{"result"}},
	"user_failover_seconds_total":    {"Time that successful fail-overs took.", nil},
	"user_cookies_received_total":    {"State cookies received.", nil},
	"user_cookie_bytes_total":        {"Bytes of state cookies received.", nil},
	"user_unreachable_reports_total": {"Elements reported as unreachable, as often as it was noticed.", nil},
})

// ElementCollector collects what a pool element is and does.
func ElementCollector(info func() poolelement.Info) prometheus.Collector {
	return elementCollector(info)
}

type elementCollector func() poolelement.Info

// Describe makes the collector an unchecked one: its labels change.
func (elementCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the state once and sends it.
func (c elementCollector) Collect(ch chan<- prometheus.Metric) {
	m := &scrape{ch: ch, now: time.Now(), descs: clientDescs}
	i := c()
	pool, pe := label(string(i.Handle)), i.ID.String()
	m.gauge("element_info", 1, pool, pe, i.State.Home.String(), i.Transport.Protocol.String(), digits(i.Transport.Port),
		digits(i.Transport.UDPPort), i.Transport.Use.String(), digits(i.ASAPPort), policyName(i.Policy.Type), fmt.Sprintf("0x%08x", uint32(i.Policy.Type)))
	m.addresses("element_address_info", &i.Transport, pool, pe)
	m.gauge("element_uptime_seconds", since(m.now, i.Since), pool, pe)
	m.gauge("element_registered", flag(i.State.Registered), pool, pe)
	m.gauge("element_load_ratio", rserpool.Fraction(i.Policy.Load), pool, pe)
	m.gauge("element_load_degradation_ratio", rserpool.Fraction(i.Policy.LoadDegradation), pool, pe)
	m.gauge("element_weight", float64(i.Policy.Weight), pool, pe)
	m.gauge("element_priority", float64(i.Policy.Priority), pool, pe)
	m.gauge("element_registration_life_seconds", lifeSeconds(i.Life), pool, pe)
	m.gauge("element_sessions", float64(i.Sessions), pool, pe)
	m.counter("element_sessions_accepted_total", i.SessionsAccepted, pool, pe)
	m.counter("element_registrations_total", i.RegistrationsAllowed, pool, pe, "accepted")
	m.counter("element_registrations_total", i.RegistrationsFailed, pool, pe, "failed")
	m.counter("element_homes_lost_total", i.HomesLost, pool, pe)
	m.counter("element_cookies_sent_total", i.CookiesSent, pool, pe)
	m.counter("element_cookie_sent_bytes_total", i.CookieBytesSent, pool, pe)
	m.counter("element_cookies_echoed_total", i.CookiesEchoed, pool, pe)
}

// UserCollector collects what a pool user does with pools.
func UserCollector(stats func() pooluser.Stats, pools ...rserpool.PoolHandle) prometheus.Collector {
	return &userCollector{stats, pools}
}

type userCollector struct {
	stats func() pooluser.Stats
	pools []rserpool.PoolHandle
}

// Describe makes the collector an unchecked one: elements come and go.
func (*userCollector) Describe(chan<- *prometheus.Desc) {}

// Collect reads the counters once and sends them.
func (c *userCollector) Collect(ch chan<- prometheus.Metric) {
	m := &scrape{ch: ch, now: time.Now(), descs: clientDescs}
	s := c.stats()
	for _, h := range c.pools {
		m.gauge("user_info", 1, label(string(h)))
	}
	m.gauge("user_uptime_seconds", since(m.now, s.Since))
	m.gauge("user_sessions", float64(s.Sessions))
	m.counter("user_resolutions_total", s.ResolutionsCached, "cache")
	m.counter("user_resolutions_total", s.ResolutionsAsked, "registrar")
	m.counter("user_resolutions_stale_total", s.ResolutionsStale)
	m.counter("user_resolutions_failed_total", s.ResolutionsFailed)
	m.seconds("user_resolution_seconds_total", s.ResolutionTime)
	for sel, n := range s.Selections {
		m.counter("user_selections_total", n, label(string(sel.Handle)), sel.ID.String())
	}
	m.counter("user_selections_omitted_total", s.SelectionsOther)
	m.counter("user_dial_failures_total", s.DialFailures)
	m.counter("user_failovers_total", s.Failovers, "ok")
	m.counter("user_failovers_total", s.FailoversFailed, "failed")
	m.seconds("user_failover_seconds_total", s.FailoverTime)
	m.counter("user_cookies_received_total", s.Cookies)
	m.counter("user_cookie_bytes_total", s.CookieBytes)
	m.counter("user_unreachable_reports_total", s.Reports)
}

// seconds sends a counter of time.
func (m *scrape) seconds(name string, d time.Duration) {
	m.ch <- prometheus.MustNewConstMetric(m.descs[name], prometheus.CounterValue, d.Seconds())
}
