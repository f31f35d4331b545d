package registrar

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// large returns a registrar whose page has so many pools with so many elements each.
func large(pools, elements int) *Registrar {
	r := &Registrar{}
	s := &Status{Registrar: RegistrarStatus{ID: "0x00000001", Ready: true}}
	for i := range pools {
		h := rserpool.PoolHandle(fmt.Sprintf("pool%04d", i))
		p := PoolStatus{Pool: string(h), Name: h.String(), Policy: "LeastUsed"}
		for j := range elements {
			p.Elements = append(p.Elements, elementStatus(time.Now(), &core.ElementStatus{Reports: j}))
			e := &p.Elements[j]
			e.ID, e.Home = rserpool.PEID(i*elements+j+1).String(), "0x00000001"
			e.Policy = PolicyStatus{Type: "LeastUsed", Load: 0.5, Text: "LeastUsed load=0.5"}
			e.Transports[0] = TransportStatus{Protocol: "sctp", Addresses: []netip.Addr{netip.MustParseAddr("2001:db8::1")}, Port: 7}
		}
		s.Pools = append(s.Pools, p)
	}
	for i := range 1000 {
		s.Peers = append(s.Peers, PeerStatus{ID: rserpool.RegistrarID(i + 2).String(), State: "suspect"})
		s.Events = append(s.Events, EventStatus{At: time.Unix(int64(i), 0), Text: "event", Element: i%3 > 0, Grave: i == 7})
	}
	r.page.status, r.page.at = s, time.Now().Add(time.Hour)
	return r
}

// page gets a page and its size.
func page(t *testing.T, r *Registrar, query string) string {
	t.Helper()
	mux := http.NewServeMux()
	r.servePage(mux)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/"+query, nil))
	require.Equal(t, http.StatusOK, w.Code)
	return w.Body.String()
}

func TestPageIsBoundedAndFindsAll(t *testing.T) {
	r := large(1000, 10)
	for _, query := range []string{"", "?page=50", "?q=0x2710", "?q=pool", "?q=2001:db8", "?page=-1", "?page=99999999999999999999", "?pool=zz"} {
		begin := time.Now()
		out := page(t, r, query)
		require.Less(t, len(out), 256<<10, query)
		require.Less(t, time.Since(begin), 10*time.Second, "on a slow machine, too")
		require.LessOrEqual(t, strings.Count(out, "<article"), pagePools, query)
		require.LessOrEqual(t, strings.Count(out, "<tr"), pagePools*(poolElements+1)+pagePeers+2, query)
	}
	out := page(t, r, "?page=50")
	require.Contains(t, out, "981–1000 of 1\u202f000 pools, 10\u202f000 elements")
	require.Contains(t, out, `href="?page=49"`)
	require.NotContains(t, out, "Next →</a>")
	out = page(t, r, "?q=0x2710") // 10,000: the last element
	require.Contains(t, out, "1–1 of 1 pool, 1 element")
	require.Contains(t, out, "pool0999")
	require.Contains(t, page(t, r, "?q=pool0999+leastused"), "1–1 of 1 pool, 10 elements")
	require.Contains(t, page(t, r, "?q=nothing"), "Nothing matches")
	require.Contains(t, page(t, r, fmt.Sprintf("?pool=%x", "gone")), "no such pool")
	require.Contains(t, page(t, r, ""), "and 950 more", "peers")
}

// One pool of many elements has pages, too, and links keep the query.
func TestPageOfOnePool(t *testing.T) {
	r := large(2, 1000)
	out := page(t, r, "")
	require.Contains(t, out, "990 more elements")
	key := fmt.Sprintf("%x", "pool0001")
	out = page(t, r, "?q=sctp&page=2&pool="+key)
	require.Contains(t, out, "101–200 of 1\u202f000 elements")
	require.Contains(t, out, "page=3&amp;pool="+key+"&amp;q=sctp")
	require.Equal(t, 100, strings.Count(out, `data-l="Known for"`))
	require.NotContains(t, out, "pool0000")
}

// What the page says of the newest things is about registrars before elements.
func TestPageShowsEventsOfRegistrars(t *testing.T) {
	v := large(1, 1).pageView(url.Values{})
	var elements int
	for _, e := range v.ShownEvents {
		if e.Element {
			elements++
		}
	}
	require.Len(t, v.ShownEvents, pageEvents)
	require.Equal(t, pageEvents/2, elements)
	require.Len(t, v.Problems, 5)
}

// The journal keeps what matters though elements come and go, in order and bounded.
func TestJournalKeepsEventsOfRegistrars(t *testing.T) {
	var j journal
	at := time.Unix(0, 0)
	j.add(at, &core.Event{Kind: core.EventTakeover, Registrar: 2, Count: 3})
	for i := range 3 * journalLen {
		at = at.Add(time.Second)
		j.add(at, &core.Event{Kind: core.EventRegistered, Handle: "p\u202e", PE: rserpool.PEID(i + 1)})
	}
	all := j.recent()
	require.Len(t, all, journalLen+1)
	require.Equal(t, "took 3 elements over from 0x00000002", all[journalLen].Text)
	require.True(t, all[journalLen].Grave)
	require.Equal(t, `element 0x0000012c registered in "p\u202e"`, all[0].Text)
	require.Equal(t, `element 0x000000c9 registered in "p\u202e"`, all[journalLen-1].Text)
	require.EqualValues(t, 3*journalLen, j.counts[core.EventRegistered])
	for _, k := range core.EventKinds() {
		e := &core.Event{Kind: k, Handle: "h", PE: 1, Registrar: 2, By: 3, Reason: "why"}
		require.NotContains(t, sentence(e), "{", k)
		require.Contains(t, sentence(e), "why", k)
	}
	require.Equal(t, `a\xff\u202e\n�`, printable("a\xff\u202e\n\ufffd"))
}

// Rates are means of the last seconds that are over, also after a time without inputs.
func TestRates(t *testing.T) {
	var r rates
	st := core.Stats{}
	tick := func(up time.Duration) { r.tick(up, &st) }
	tick(500 * time.Millisecond)
	require.Empty(t, r.last(60))
	require.Zero(t, r.status())
	st.Resolutions = 30
	tick(1100 * time.Millisecond)
	require.Equal(t, RatesStatus{WindowS: 1, Resolutions: 30}, r.status())
	st.Resolutions, st.Reregistrations = 40, 7 // in second 1
	tick(5 * time.Second)
	require.Equal(t, []activity{{resolutions: 30}, {resolutions: 10, registrations: 7}, {}, {}, {}}, r.last(60))
	require.InDelta(t, 8, r.status().Resolutions, 1e-9)
	tick(6 * time.Second)
	tick(15 * time.Second)
	require.Zero(t, r.status().Resolutions)
	tick(1000 * time.Hour)
	require.Equal(t, make([]activity, 59), r.last(60))
	require.EqualValues(t, 10, r.status().WindowS)
	require.Empty(t, spark([]uint64{1}))
	require.Contains(t, spark([]uint64{0, 4, 2}), `points="57,15.0 58,1.0 59,8.0 "`)
}

func TestPageTexts(t *testing.T) {
	for s, want := range map[float64]string{-1: "never", 0.04: "0.0 s", 12: "12 s", 125: "2 min 5 s", 3700: "1 h 1 min", 90000: "1 d 1 h"} {
		require.Equal(t, want, span(s))
	}
	require.Equal(t, "1 pool", count(1, "pool", "pools"))
	require.Equal(t, "1\u202f234\u202f567 pools", count(1234567, "pool", "pools"))
	for p, want := range map[string]string{"RoundRobin": "", "WeightedRoundRobin:3": "weight 3", "Priority:10": "priority 10",
		"LeastUsedDegradation:0.1 load=0.5": "+0.1 each", "LeastUsed load=0.5": "", "PriorityLeastUsed:0.2": "+0.2 each"} {
		name, _, _ := strings.Cut(p, ":")
		require.Equal(t, want, (&ElementStatus{Policy: PolicyStatus{Type: name, Text: p}}).Constants(), p)
	}
	var b bytes.Buffer
	require.NoError(t, pageTemplate.Execute(&b, large(0, 0).pageView(url.Values{})))
	require.Contains(t, b.String(), "No pools yet")
}
