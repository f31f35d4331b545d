package daemon

import (
	"strings"

	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
)

// registrarDescs is what a registrar has. Help texts name the objects of RFC 5525 where there
// are any.
var registrarDescs = describe(map[string]metric{
	"registrar_info":           {"The registrar (rserpoolENRPTable); always 1.", []string{"id", "scope", "description", "profile", "asap_port", "enrp_port", "udp_port"}},
	"registrar_address_info":   {"An address of the ENRP endpoint (rserpoolENRPENRPAddrTable); always 1.", []string{"type", "address"}},
	"announce_group_info":      {"A multicast group of announcements (rserpoolENRPASAPAnnounceAddr, rserpoolENRPENRPAnnounceAddr); always 1.", []string{"channel", "type", "address", "port"}},
	"registrar_uptime_seconds": {"Seconds since the start (rserpoolENRPUptime).", nil},
	"registrar_ready":          {"1 if the start-up has ended.", nil},

	"pools":                {"Pools in the handlespace.", nil},
	"elements":             {"Elements in the handlespace.", nil},
	"elements_by_protocol": {"Elements by the transport protocol of their service.", []string{"proto"}},
	"elements_by_policy":   {"Elements by their selection policy.", []string{"policy"}},
	"owned_elements":       {"Elements this registrar is the home of.", nil},
	"series_omitted":       {"Pools, elements and peers without series of their own, because there are too many.", []string{"what"}},
	"pool_elements":        {"Elements of a pool (rserpoolENRPPoolTable).", []string{"pool"}},

	"pe_info": {"A pool element (rserpoolENRPPoolElementTable); always 1.",
		[]string{"pool", "pe", "home", "proto", "port", "udp_port", "use", "asap_port", "policy", "policy_id"}},
	"pe_address_info":              {"An address of a pool element, of its service or its ASAP endpoint; always 1.", []string{"pool", "pe", "of", "type", "address"}},
	"pe_load_ratio":                {"Load of an element, 0 to 1 (rserpoolENRPPolicyLoad).", []string{"pool", "pe"}},
	"pe_load_degradation_ratio":    {"What one more request adds to the load (rserpoolENRPPolicyLoadDeg).", []string{"pool", "pe"}},
	"pe_weight":                    {"Weight of an element (rserpoolENRPPolicyWeight).", []string{"pool", "pe"}},
	"pe_priority":                  {"Priority of an element.", []string{"pool", "pe"}},
	"pe_registration_life_seconds": {"How long a registration lasts (rserpoolENRPRegistrationLife).", []string{"pool", "pe"}},
	"pe_updated_seconds":           {"Seconds since the element was last registered.", []string{"pool", "pe"}},
	"pe_connected":                 {"1 if the element has an association with this registrar.", []string{"pool", "pe"}},
	"pe_reports":                   {"Hosts that lately found the element unreachable.", []string{"pool", "pe"}},

	"peers":                   {"Peers by state.", []string{"state"}},
	"peer_info":               {"A peer (rserpoolENRPPeerTable); always 1.", []string{"peer", "state", "port", "udp_port", "foreign"}},
	"peer_address_info":       {"An address of a peer (rserpoolENRPPeerAddrTable); always 1.", []string{"peer", "type", "address"}},
	"peer_last_heard_seconds": {"Seconds since a peer was heard (rserpoolENRPPeerLastHeard).", []string{"peer"}},
	"peer_elements":           {"Elements a peer is the home of.", []string{"peer"}},
	"peer_in_sync":            {"1 if the peer's elements here have the checksum that it announced last.", []string{"peer"}},
	"peer_connected":          {"1 if there is an association with the peer.", []string{"peer"}},

	"connections":              {"SCTP associations with elements, users and registrars.", nil},
	"association_rtt_seconds":  {"Smoothed round-trip times of the associations that there are.", []string{"channel"}},
	"message_duration_seconds": {"Time from when a message was read until its answer was handed to SCTP.", []string{"message"}},

	"registrations_total":          {"Registrations of new elements.", nil},
	"reregistrations_total":        {"Registrations of known elements.", nil},
	"deregistrations_total":        {"Deregistrations.", nil},
	"registrations_rejected_total": {"Registrations and deregistrations refused, by cause.", []string{"cause"}},
	"elements_removed_total":       {"Elements removed, by whether their life had ended.", []string{"why"}},
	"handle_resolutions_total":     {"Handle resolutions by result.", []string{"result"}},
	"notifications_total":          {"Updates sent to pool users that have subscribed.", nil},
	"unreachable_reports_total":    {"Reports of unreachable elements.", nil},
	"keep_alives_sent_total":       {"Keep-alives sent to elements.", nil},
	"keep_alive_timeouts_total":    {"Keep-alives not acknowledged in time.", nil},
	"handle_updates_total":         {"Handle updates by direction.", []string{"direction"}},
	"table_pages_sent_total":       {"Pages of handle tables sent to peers.", nil},
	"resyncs_total":                {"Tables fetched because checksums differed.", nil},
	"ownership_conflicts_total":    {"Elements that two registrars claimed and this one kept or took back.", nil},
	"takeovers_total":              {"Takeovers by this registrar, by outcome, and those by others.", []string{"outcome"}},
	"peer_changes_total":           {"Changes of peers, by what they became.", []string{"to"}},
	"rate_limited_total":           {"Requests beyond the allowed rate.", nil},
	"restored_total":               {"Elements of before the restart that have answered.", nil},
	"denied_total":                 {"Requests that the access list denies.", nil},
	"decode_errors_total":          {"Messages that could not be decoded, by cause; those discarded in silence have none.", []string{"cause"}},
	"messages_dropped_total":       {"Messages ignored.", nil},
	"peer_messages_refused_total":  {"Things peers asked that they may not do.", nil},
	"process_stalls_total":         {"Times that this process was late by more than half a keep-alive timeout.", nil},
	"announcements_total":          {"Announcements by multicast, ASAP and ENRP: sent, heard, and of these of no use.", []string{"what"}},
	"events_total":                 {"Events by kind, as in the log.", []string{"kind"}},
})

// counters sends what only grows.
func (m *scrape) counters(r *registrar.Registrar, s *core.Snapshot) {
	st, events := &s.Stats, r.EventCounts()
	m.counter("registrations_total", st.Registrations)
	m.counter("reregistrations_total", st.Reregistrations)
	m.counter("deregistrations_total", st.Deregistrations)
	m.causes("registrations_rejected_total", st.Rejected, s)
	m.counter("elements_removed_total", st.Expired, "expired")
	m.counter("elements_removed_total", st.Removed-min(st.Expired, st.Removed), "other")
	m.counter("handle_resolutions_total", st.Resolutions-st.ResolutionsFailed, "found")
	m.counter("handle_resolutions_total", st.ResolutionsFailed, "empty")
	m.counter("notifications_total", st.Notifications)
	m.counter("unreachable_reports_total", st.Reports)
	m.counter("keep_alives_sent_total", st.KeepAlivesSent)
	m.counter("keep_alive_timeouts_total", st.KeepAliveTimeouts)
	m.counter("handle_updates_total", st.UpdatesSent, "sent")
	m.counter("handle_updates_total", st.UpdatesReceived, "received")
	m.counter("table_pages_sent_total", st.PagesSent)
	m.counter("resyncs_total", st.Resyncs)
	m.counter("ownership_conflicts_total", st.Conflicts)
	m.counter("takeovers_total", st.TakeoversStarted, "started")
	m.counter("takeovers_total", st.TakeoversWon, "won")
	m.counter("takeovers_total", st.TakeoversAborted, "aborted")
	m.counter("takeovers_total", events[core.EventTakenOver], "by another")
	m.counter("peer_changes_total", events[core.EventPeerUp], "up")
	m.counter("peer_changes_total", events[core.EventPeerSuspect], "suspect")
	m.counter("peer_changes_total", events[core.EventPeerDown], "down")
	m.counter("rate_limited_total", st.RateLimited)
	m.counter("restored_total", st.Restored)
	m.counter("denied_total", st.Denied)
	m.causes("decode_errors_total", st.DecodeErrors, s)
	m.counter("messages_dropped_total", st.Dropped)
	m.counter("peer_messages_refused_total", st.Refused)
	m.counter("process_stalls_total", st.Stalls)
	m.counter("announcements_total", st.AnnouncesSent, "sent")
	m.counter("announcements_total", st.AnnouncesHeard, "heard")
	m.counter("announcements_total", st.AnnouncesIgnored, "ignored")
	for k, n := range events {
		m.counter("events_total", n, strings.ReplaceAll(k.String(), " ", "_"))
	}
	for kind, l := range r.Latencies() {
		m.histogram("message_duration_seconds", l.Count, l.Sum, l.Buckets, kind)
	}
}

// causes sends a counter by cause; what has none is counted as "none".
func (m *scrape) causes(name string, total uint64, s *core.Snapshot) {
	by := s.RejectedBy
	if name == "decode_errors_total" {
		by = s.UndecodableBy
	}
	for code, n := range by {
		m.counter(name, n, code.String())
		total -= min(n, total)
	}
	m.counter(name, total, "none")
}
