package registrar

import (
	"bytes"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

var (
	//go:embed status.html
	pageHTML string
	//go:embed status.css
	pageCSS []byte
	//go:embed status.js
	pageJS []byte
	//go:embed status.svg
	pageIcon []byte
)

// pageTemplate escapes by context whatever the network has said.
var pageTemplate = template.Must(template.New("status").Funcs(template.FuncMap{
	"span": span, "percent": percent, "rate": rate, "spark": spark, "count": count,
}).Parse(pageHTML))

// pagePolicy lets the page have what this server serves and nothing else; it has neither
// inline scripts nor inline styles, so a hostile pool handle could not do anything even if
// it were not escaped.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// servePage adds the status page, which is rendered here. Its script fetches the page
// again each second and exchanges what has changed.
func (r *Registrar) servePage(mux *http.ServeMux) {
	file := func(path, contentType string, content []byte) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			pageHeaders(w.Header(), contentType)
			_, _ = w.Write(content) // the client may be gone
		})
	}
	file("/status.css", "text/css; charset=utf-8", pageCSS)
	file("/status.js", "text/javascript; charset=utf-8", pageJS)
	file("/status.svg", "image/svg+xml", pageIcon)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, req *http.Request) {
		var b bytes.Buffer
		if err := pageTemplate.Execute(&b, r.pageView(req.URL.Query())); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		pageHeaders(w.Header(), "text/html; charset=utf-8")
		_, _ = w.Write(b.Bytes()) // the client may be gone
	})
}

func pageHeaders(h http.Header, contentType string) {
	h.Set("Content-Type", contentType)
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

// pageAge is for how long the state may be shown again: many windows on a large scope
// cost one snapshot.
const pageAge = 200 * time.Millisecond

// pageCache is the state as pages show it.
type pageCache struct {
	mu     sync.Mutex // comes before Registrar.mu
	at     time.Time
	status *Status
	spark  []activity
}

// pageStatus returns the state, a little old if somebody has just asked for it.
func (r *Registrar) pageStatus() (*Status, []activity) {
	c := &r.page
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); c.status == nil || now.Sub(c.at) > pageAge {
		s := r.Status()
		c.at, c.status = now, &s
		r.mu.Lock()
		c.spark = r.rates.last(rateSeconds)
		r.mu.Unlock()
	}
	return c.status, c.spark
}

// What a page shows at most.
const (
	pagePools    = 20  // on one page
	poolElements = 10  // of each of these
	pageElements = 100 // on a page of one pool
	pagePeers    = 50
	pageEvents   = 40
	maxQuery     = 200 // bytes
)

// pageView is what the template shows.
type pageView struct {
	*Status
	At       time.Time
	Elements int // in all pools

	Query    string
	One      bool       // one pool is shown, by its handle
	Found    int        // pools, or elements of the one pool
	Matching int        // elements in the pools that were found
	Shown    []poolView // pools of this page
	From, To int
	Previous string // queries of the pages beside this one
	Next     string

	ShownPeers  []PeerStatus
	MorePeers   int
	ShownEvents []EventStatus
	News        string // the newest event that is grave and about registrars
	Problems    []string

	ResolutionSpark, RegistrationSpark []uint64
}

// poolView is a pool on the page.
type poolView struct {
	*PoolStatus
	Key   string // its handle in hexadecimal
	Shown []*ElementStatus
	More  int
	Load  float64 // mean, -1 if the policy has none
}

// pageView selects what the query of a URL asks for.
func (r *Registrar) pageView(q url.Values) *pageView {
	s, last := r.pageStatus()
	v := &pageView{Status: s, At: time.Now(), Query: q.Get("q")}
	v.Query = strings.ToValidUTF8(v.Query[:min(len(v.Query), maxQuery)], "")
	for i := range s.Pools {
		v.Elements += len(s.Pools[i].Elements)
	}
	page, _ := strconv.Atoi(q.Get("page")) // not a number: the first one
	if handle, err := hex.DecodeString(q.Get("pool")); err == nil && len(handle) > 0 {
		v.showOne(string(handle), page)
	} else {
		v.showPools(page)
	}
	v.ShownPeers = s.Peers[:min(len(s.Peers), pagePeers)]
	v.MorePeers = len(s.Peers) - len(v.ShownPeers)
	v.showEvents()
	v.findProblems()
	for _, a := range last {
		v.ResolutionSpark = append(v.ResolutionSpark, a.resolutions)
		v.RegistrationSpark = append(v.RegistrationSpark, a.registrations)
	}
	return v
}

// showPools finds pools by the query and cuts the page out.
func (v *pageView) showPools(page int) {
	m := newMatcher(v.Query)
	type hit struct {
		pool     *PoolStatus
		elements []*ElementStatus
	}
	var hits []hit
	for i := range v.Pools {
		p := &v.Pools[i]
		if els := m.elements(p); len(els) > 0 {
			hits = append(hits, hit{p, els})
			v.Matching += len(els)
		}
	}
	v.Found = len(hits)
	from, to := v.cut(len(hits), page, pagePools, url.Values{"q": {v.Query}})
	for _, h := range hits[from:to] {
		v.Shown = append(v.Shown, newPoolView(h.pool, h.elements, 0, poolElements))
	}
}

// showOne shows the elements of one pool.
func (v *pageView) showOne(handle string, page int) {
	v.One = true
	for i := range v.Pools {
		p := &v.Pools[i]
		if p.Pool != handle {
			continue
		}
		els := newMatcher(v.Query).elements(p)
		v.Found, v.Matching = len(els), len(els)
		from, to := v.cut(len(els), page, pageElements, url.Values{"q": {v.Query}, "pool": {hex.EncodeToString([]byte(handle))}})
		pv := newPoolView(p, els, from, to-from)
		pv.More = 0 // the links to other pages are for these
		v.Shown = []poolView{pv}
		return
	}
}

// cut returns which of n things are on a page, counted from 1, and sets the links to the
// pages beside it.
func (v *pageView) cut(n, page, size int, q url.Values) (from, to int) {
	last := max((n+size-1)/size, 1)
	page = min(max(page, 1), last)
	from = (page - 1) * size
	to = min(from+size, n)
	link := func(p int) string {
		q.Set("page", strconv.Itoa(p))
		return "?" + q.Encode()
	}
	if v.Query == "" {
		q.Del("q")
	}
	if page > 1 {
		v.Previous = link(page - 1)
	}
	if page < last {
		v.Next = link(page + 1)
	}
	v.From, v.To = min(from+1, to), to
	return from, to
}

func newPoolView(p *PoolStatus, els []*ElementStatus, from, n int) poolView {
	v := poolView{PoolStatus: p, Key: hex.EncodeToString([]byte(p.Pool)), Load: -1}
	v.Shown = els[from:min(from+n, len(els))]
	v.More = len(els) - from - len(v.Shown)
	var sum float64
	for i := range p.Elements {
		sum += p.Elements[i].Policy.Load
	}
	if len(p.Elements) > 0 && p.Elements[0].HasLoad() {
		v.Load = sum / float64(len(p.Elements))
	}
	return v
}

// showEvents takes the newest events, those of registrars before those of elements where
// there is no room for all.
func (v *pageView) showEvents() {
	left := pageEvents / 2
	for _, e := range v.Events {
		if e.Element {
			if left == 0 {
				continue
			}
			left--
		} else if v.News == "" && e.Grave {
			v.News = e.At.Format(time.TimeOnly) + " " + e.Text
		}
		if v.ShownEvents = append(v.ShownEvents, e); len(v.ShownEvents) == pageEvents {
			return
		}
	}
}

// findProblems says in words what is not as it should be.
func (v *pageView) findProblems() {
	add := func(format string, a ...any) { v.Problems = append(v.Problems, fmt.Sprintf(format, a...)) }
	for i := range v.Peers {
		switch p := &v.Peers[i]; {
		case len(v.Problems) == 5:
			return
		case p.State == "suspect":
			add("Peer %s does not answer.", p.ID)
		case p.State == "takeover":
			add("Peer %s is being taken over.", p.ID)
		case p.State == "inactive":
			add("Peer %s is being taken over by another registrar.", p.ID)
		case p.Announced != "" && !p.InSync:
			add("The elements of peer %s differ from what it announces.", p.ID)
		}
	}
}
