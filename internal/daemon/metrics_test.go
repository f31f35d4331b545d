package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	asapcore "github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/internal/daemon"
	"github.com/rserpool/rserpool/poolelement"
	"github.com/rserpool/rserpool/pooluser"
	"github.com/rserpool/rserpool/registrar"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// patient is a profile by which no element is removed that waits for a processor.
func patient() core.Profile {
	p := core.ProfileFast
	p.KeepAliveTimeout, p.LinkGrace = time.Minute, time.Minute
	return p
}

// silent is one without keep-alives, which elements by hand do not answer.
func silent() core.Profile {
	p := patient()
	p.KeepAlive = time.Hour
	return p
}

// startWith runs a registrar on loopback.
func startWith(t *testing.T, p core.Profile, id rserpool.RegistrarID, peers ...string) *registrar.Registrar {
	t.Helper()
	r, err := registrar.New(&registrar.Config{ID: id, Listen: "127.0.0.1@0", Profile: p, Peers: peers,
		Announce: &registrar.Announcements{Interfaces: []string{"none"}},
		Limits:   core.Limits{Registrations: core.Rates{Source: 1e6, Pool: 1e6}}, Scope: "test", Description: "a registrar\u202e"})
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.WithoutCancel(t.Context())) }()
	t.Cleanup(func() { _ = r.Close(); require.NoError(t, <-ended) })
	select {
	case <-r.Ready():
	case <-time.After(20 * time.Second):
		require.Fail(t, "not ready")
	}
	return r
}

// asker is an ASAP association by hand.
type asker struct {
	t *testing.T
	a *sctp.Association
}

func ask(t *testing.T, r *registrar.Registrar) *asker {
	t.Helper()
	addr, _ := r.Addrs()
	a, err := stack(t, sctp.StackConfig{}).Dial(t.Context(), addr, nil)
	require.NoError(t, err)
	return &asker{t, a}
}

// says sends bytes and waits for an answer.
func (a *asker) says(b []byte) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), 10*time.Second)
	defer cancel()
	require.NoError(a.t, a.a.Send(ctx, &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: b}))
	_, err := a.a.ReceiveMessage(ctx, nil, 1<<16)
	require.NoError(a.t, err)
}

func registration(h rserpool.PoolHandle, id rserpool.PEID) *asap.Registration {
	return &asap.Registration{Handle: h, Element: rserpool.PoolElement{ID: id, Life: 60,
		Policy: rserpool.Policy{Type: rserpool.WeightedRoundRobin, Weight: 3},
		User: rserpool.Transport{Protocol: rserpool.ProtoSCTP, Port: 7, Use: rserpool.UseDataControl,
			Addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}}}
}

func TestMetricsOfARegistrar(t *testing.T) {
	r := startWith(t, silent(), 1)
	a := ask(t, r)
	a.says(registration("<b>\xff", 7).AppendTo(nil)) // a label must be valid UTF-8
	a.says(registration("<b>\xff", 0).AppendTo(nil)) // refused
	a.says((&asap.HandleResolution{Handle: "none"}).AppendTo(nil))
	a.says([]byte{1, 0, 0, 8, 0, byte(rserpool.ParamPoolHandle), 0, 4}) // an empty handle
	out := scrape(t, daemon.Handler(r))
	for _, line := range []string{"rserpool_registrations_total 1", `rserpool_pool_elements{pool="<b>\\xff"} 1`,
		`rserpool_registrar_info{asap_port="3863",description="a registrar\\u202e",enrp_port="9901",id="0x00000001",profile="fast",scope="test",udp_port="` +
			udpPort(r) + `"} 1`,
		"rserpool_owned_elements 1", "rserpool_elements 1", `rserpool_pe_weight{pe="0x00000007",pool="<b>\\xff"} 3`,
		`rserpool_pe_registration_life_seconds{pe="0x00000007",pool="<b>\\xff"} 60`,
		`rserpool_registrations_rejected_total{cause="invalid values"} 1`, `rserpool_registrations_rejected_total{cause="none"} 0`,
		`rserpool_handle_resolutions_total{result="empty"} 1`, `rserpool_events_total{kind="element_registered"} 1`,
		`rserpool_message_duration_seconds_count{message="registration"} 3`, `rserpool_message_duration_seconds_count{message="handle_resolution"} 1`,
		`rserpool_decode_errors_total{cause="invalid values"} 1`, `rserpool_series_omitted{what="elements"} 0`,
		`rserpool_association_rtt_seconds_count{channel="asap"} 1`} {
		require.True(t, strings.Contains(out, "\n"+line+"\n"), line)
	}
	for path, code := range map[string]int{"/healthz": 200, "/readyz": 200, "/": 200, "/debug/pprof/": 200, "/none": 404} {
		w := httptest.NewRecorder()
		daemon.Handler(r).ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		require.Equal(t, code, w.Code, path)
	}
}

// However large the scope: so many series and no more; sums are complete.
func TestMetricsAreBounded(t *testing.T) {
	r := startWith(t, silent(), 1)
	a := ask(t, r)
	for i := range daemon.MaxSeries + 20 {
		a.says(registration(rserpool.PoolHandle(fmt.Sprintf("%0200d", i)), 7).AppendTo(nil))
	}
	out := scrape(t, daemon.Handler(r))
	for _, line := range []string{fmt.Sprintf("rserpool_elements %d", daemon.MaxSeries+20), `rserpool_series_omitted{what="elements"} 20`,
		`rserpool_series_omitted{what="pools"} 20`} {
		require.True(t, strings.Contains(out, "\n"+line+"\n"), line)
	}
	require.Equal(t, daemon.MaxSeries, strings.Count(out, "\nrserpool_pe_info{"))
	require.Equal(t, daemon.MaxSeries, strings.Count(out, "\nrserpool_pool_elements{"), "handles that differ at their ends only have different labels")
	for l := range strings.Lines(out) {
		require.Less(t, len(l), 1000)
	}
}

// mibObjects are the columns of RFC 5525's tables, without those that only count rows.
var mibObjects = strings.Fields(`
rserpoolENRPIndex rserpoolENRPOperationScope rserpoolENRPIdentifier rserpoolENRPDescription rserpoolENRPUptime rserpoolENRPPort
rserpoolENRPASAPAnnouncePort rserpoolENRPASAPAnnounceAddrType rserpoolENRPASAPAnnounceAddr
rserpoolENRPENRPAnnouncePort rserpoolENRPENRPAnnounceAddrType rserpoolENRPENRPAnnounceAddr
rserpoolENRPPoolIndex rserpoolENRPPoolHandle
rserpoolENRPPoolElementIndex rserpoolENRPPoolElementID rserpoolENRPASAPTransportPort rserpoolENRPUserTransportProto
rserpoolENRPUserTransportPort rserpoolENRPUserTransportUse rserpoolENRPPolicyID rserpoolENRPPolicyDescription
rserpoolENRPPolicyWeight rserpoolENRPPolicyLoad rserpoolENRPPolicyLoadDeg rserpoolENRPRegistrationLife rserpoolENRPHomeENRPServer
rserpoolENRPASAPAddrTableIndex rserpoolENRPASAPL3Type rserpoolENRPASAPL3Addr
rserpoolENRPUserAddrTableIndex rserpoolENRPUserL3Type rserpoolENRPUserL3Addr rserpoolENRPUserL3Opaque
rserpoolENRPENRPAddrTableIndex rserpoolENRPENRPL3Type rserpoolENRPENRPL3Addr
rserpoolENRPPeerIndex rserpoolENRPPeerIdentifier rserpoolENRPPeerPort rserpoolENRPPeerLastHeard
rserpoolENRPPeerAddrTableIndex rserpoolENRPPeerL3Type rserpoolENRPPeerL3Addr
rserpoolPEIndex rserpoolPEOperationScope rserpoolPEPoolHandle rserpoolPEIdentifier rserpoolPEDescription rserpoolPEUptime
rserpoolPEASAPTransportPort rserpoolPEUserTransportProto rserpoolPEUserTransportPort rserpoolPEUserTransportUse rserpoolPEPolicyID
rserpoolPEPolicyDescription rserpoolPEPolicyWeight rserpoolPEPolicyLoad rserpoolPEPolicyLoadDeg rserpoolPERegistrationLife rserpoolPEHomeENRPServer
rserpoolPEASAPAddrTableIndex rserpoolPEASAPL3Type rserpoolPEASAPL3Addr
rserpoolPEUserAddrTableIndex rserpoolPEUserL3Type rserpoolPEUserL3Addr rserpoolPEUserL3Opaque
rserpoolPUIndex rserpoolPUOperationScope rserpoolPUPoolHandle rserpoolPUDescription rserpoolPUUptime`)

// documented is a metric with its labels as docs/rfc/5525.md writes it.
var documented = regexp.MustCompile("`(rserpool_[a-z0-9_]+)(?:\\{([^}]*)\\})?`")

// Every object of RFC 5525 is in the table, and every metric of the table is served with the
// labels that it says.
func TestMetricsOfRFC5525(t *testing.T) {
	served := everything(t)
	problems, err := promlint.New(strings.NewReader(served)).Lint()
	require.NoError(t, err)
	require.Empty(t, problems)

	f, err := os.Open("../../docs/rfc/5525.md")
	require.NoError(t, err)
	defer f.Close()
	rows := map[string]string{}
	metrics := 0
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), "|")
		if len(cells) < 4 {
			continue
		}
		for name := range strings.FieldsFuncSeq(cells[1], func(r rune) bool { return r == ',' || r == ' ' || r == '`' }) {
			rows[name] = cells[2]
		}
		for _, m := range documented.FindAllStringSubmatch(cells[2], -1) {
			metrics++
			require.True(t, serves(served, m[1], m[2]), "%s is in the table and not served", m[0])
		}
	}
	for _, o := range mibObjects {
		require.NotEmpty(t, rows[o], "%s is not in the table", o)
	}
	require.Greater(t, metrics, 60)

	// And the other way round: what is served is documented.
	doc, err := os.ReadFile("../../docs/rfc/5525.md")
	require.NoError(t, err)
	for l := range strings.Lines(served) {
		if f := strings.Fields(l); strings.HasPrefix(l, "# TYPE rserpool_") {
			require.Contains(t, string(doc), "`"+f[2], "not documented")
		}
	}
}

// serves says whether a metric with all these labels is among those that were served.
func serves(out, name, labels string) bool {
	for l := range strings.Lines(out) {
		rest, ok := strings.CutPrefix(l, name)
		if !ok || strings.IndexAny(rest, "{ _") != 0 {
			continue
		}
		all := true
		for x := range strings.SplitSeq(labels, ",") {
			key, value, given := strings.Cut(strings.TrimSpace(x), "=")
			switch {
			case key == "":
			case given:
				all = all && strings.Contains(rest, key+"="+value)
			default:
				all = all && (strings.Contains(rest, "{"+key+"=") || strings.Contains(rest, ","+key+"="))
			}
		}
		if all {
			return true
		}
	}
	return false
}

func udpPort(r *registrar.Registrar) string {
	a, _ := r.Addrs()
	return fmt.Sprint(a.UDPPort)
}

// everything is what a registrar with a peer, an element and a user serve.
func everything(t *testing.T) string {
	t.Helper()
	other := startWith(t, patient(), 2)
	_, enrp := other.Addrs()
	r := startWith(t, patient(), 1, enrp.String())
	at, _ := r.Addrs()
	pe, err := poolelement.Listen(t.Context(), "pool", &poolelement.Config{Registrars: []string{at.String()}, Listen: "127.0.0.1@0", PEID: 7,
		Policy: rserpool.Policy{Type: rserpool.LeastUsedDegradation, LoadDegradation: 5}, Profile: asapcore.ProfileDefault})
	require.NoError(t, err)
	served := make(chan error, 1)
	ctx, stop := context.WithCancel(t.Context())
	go func() {
		served <- (&poolelement.Server{Handler: poolelement.HandlerFunc(func(ctx context.Context, s *poolelement.Session) {
			_ = s.SendCookie(ctx, []byte("0123456789"))
			_, _ = io.Copy(io.Discard, s)
		})}).Serve(ctx, pe)
	}()
	pu, err := pooluser.New(&pooluser.Config{Registrars: []string{at.String()}, Listen: "127.0.0.1@0", Profile: asapcore.ProfileDefault})
	require.NoError(t, err)
	defer pu.Close()
	defer func() { stop(); require.NoError(t, <-served) }()
	s, err := pu.Dial(t.Context(), "pool")
	require.NoError(t, err)
	defer s.Close()
	_, err = pu.Resolve(t.Context(), "none")
	require.ErrorContains(t, err, "unknown pool")
	go func() { _, _ = s.Read(make([]byte, 10)) }() // takes the cookie in
	require.Eventually(t, func() bool {
		st := r.Snapshot()
		return len(st.Peers) == 1 && st.Peers[0].State == "active" && st.Peers[0].Transport != nil && pe.State().Home == 1 && pu.Stats().Cookies == 1
	}, 20*time.Second, 10*time.Millisecond)

	registry := prometheus.NewRegistry()
	registry.MustRegister(daemon.ElementCollector(pe.Info), daemon.UserCollector(pu.Stats, "pool"))
	clients := scrape(t, promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	for _, line := range []string{
		`rserpool_element_registered{pe="0x00000007",pool="pool"} 1`, `rserpool_element_sessions{pe="0x00000007",pool="pool"} 1`,
		`rserpool_element_cookies_sent_total{pe="0x00000007",pool="pool"} 1`, `rserpool_element_cookie_sent_bytes_total{pe="0x00000007",pool="pool"} 10`,
		`rserpool_user_resolutions_total{from="registrar"} 2`, `rserpool_user_resolutions_failed_total 1`,
		`rserpool_user_selections_total{pe="0x00000007",pool="pool"} 1`, `rserpool_user_sessions 1`,
		`rserpool_user_cookie_bytes_total 10`, `rserpool_user_failovers_total{result="ok"} 0`,
	} {
		require.True(t, strings.Contains(clients, "\n"+line+"\n"), "%s\n%s", line, clients)
	}
	return scrape(t, daemon.Handler(r, daemon.NewReloads())) + clients
}
