package registrar_test

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/internal/browser"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
	"github.com/rserpool/rserpool/sctp"
)

// hostileHandles would do harm in a page that is careless with one of its contexts. All that is
// run would set window.pwned.
var hostileHandles = []rserpool.PoolHandle{
	`<script>window.pwned=1</script>`,
	`"><img src=x onerror=pwned=1>`,
	`</title><svg onload=pwned=1>`,
	`' onmouseover='pwned=1' x='`,
	`javascript:pwned=1`,
	`{{.}}${pwned=1}`,
	"\u202egnp.evitan\u2066 \u2069",
	"\x00\x01\x02\x03\x80\xff\xfe\xc0\xaf\xed\xa0\x80\r\n\t\x1b[31m\x7f\xf4\x90\x80\x80<b>&amp;",
	"a\u0301\u200b\u200d\ufeff\u2028\u2029",
}

// webPage opens a browser on the status page of a registrar. Without a browser the test is
// skipped, unless RSERPOOL_WEB says that there must be one.
func webPage(t *testing.T, r *running) (*browser.Page, string) {
	t.Helper()
	path, err := browser.Find()
	if err != nil {
		require.Empty(t, os.Getenv("RSERPOOL_WEB"), err)
		t.Skip(err)
	}
	srv := httptest.NewServer(r.Handler())
	t.Cleanup(srv.Close)
	b, err := browser.Start(path)
	require.NoError(t, err)
	t.Cleanup(func() { _ = b.Close() })
	p, err := b.NewPage()
	require.NoError(t, err)
	require.NoError(t, p.Size(1200, 900, false))
	return p, srv.URL + "/"
}

// alive is a client that acknowledges keep-alives all the time, until it is told to hush.
type alive struct {
	*client
	answers chan asap.Message
	mu      sync.Mutex
	ids     map[rserpool.PoolHandle]rserpool.PEID // of the elements it is: one in a pool
	hushed  bool
}

func (c *client) stayAlive() *alive {
	l := &alive{client: c, answers: make(chan asap.Message, 16), ids: map[rserpool.PoolHandle]rserpool.PEID{}}
	go func() {
		for {
			m, err := c.a.ReceiveMessage(c.t.Context(), nil, 1<<16)
			if err != nil {
				return
			}
			got, _ := asap.Decode(m.Data)
			k, ok := got.(*asap.EndpointKeepAlive)
			if !ok {
				l.answers <- got
				continue
			}
			l.mu.Lock()
			ack, hushed := &asap.EndpointKeepAliveAck{Handle: k.Handle, PEID: l.ids[k.Handle]}, l.hushed
			l.mu.Unlock()
			if hushed {
				continue
			}
			_ = c.a.Send(c.t.Context(), &sctp.Message{PPID: sctp.PPID(asap.PPID), Data: ack.AppendTo(nil)}) // or the registrar will tell
		}
	}()
	return l
}

// hush lets it acknowledge nothing any more.
func (l *alive) hush() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.hushed = true
}

// ask sends a message and returns the answer.
func (l *alive) ask(m asap.Message) asap.Message {
	l.t.Helper()
	if r, ok := m.(*asap.Registration); ok {
		l.mu.Lock()
		l.ids[r.Handle] = r.Element.ID
		l.mu.Unlock()
	}
	l.send(m)
	select {
	case m := <-l.answers:
		return m
	case <-time.After(20 * time.Second):
		require.FailNow(l.t, "no answer")
		return nil
	}
}

// eval returns the value of a script.
func eval[T any](t *testing.T, p *browser.Page, script string) (v T) {
	t.Helper()
	require.NoError(t, p.Eval(script, &v), script)
	return v
}

// becomes waits until a script gives true.
func becomes(t *testing.T, p *browser.Page, script string) {
	t.Helper()
	ok := false
	for end := time.Now().Add(30 * time.Second); !ok && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		ok = eval[bool](t, p, script)
	}
	require.True(t, ok, "%s\n%s", script, eval[string](t, p, "document.body.innerText"))
}

func harmless(t *testing.T, p *browser.Page) {
	t.Helper()
	require.Empty(t, p.Trouble(), "neither exceptions nor violations of the policy nor failed requests")
	require.Equal(t, "undefined", eval[string](t, p, "typeof window.pwned"))
	require.ElementsMatch(t, []string{"SCRIPT status.js", "LINK status.css", "LINK status.svg", "IMG status.svg"},
		eval[[]string](t, p, `[...document.querySelectorAll("script,link,img,svg[onload],iframe,object")].map(
			e => e.tagName + " " + (e.getAttribute("src") || e.getAttribute("href")))`))
	require.Equal(t, 0, eval[int](t, p, `[...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name.startsWith("on"))).length`))
}

// The status page in a real browser: what happens shows by itself, and hostile pool handles are
// text.
func TestWebStatusPage(t *testing.T) {
	rs := startWith(t, 2, core.ProfileDefault)
	p, url := webPage(t, rs[0])
	c := rs[0].dial(t).stayAlive()
	for i, h := range hostileHandles {
		e := element(rserpool.PEID(0xbad0 + i))
		e.Policy = rserpool.Policy{Type: rserpool.LeastUsed, Load: rserpool.LoadOf(0.25)}
		require.False(t, c.ask(&asap.Registration{Handle: h, Element: e}).(*asap.RegistrationResponse).Reject)
	}
	require.NoError(t, p.Open(url))
	eval[any](t, p, "window.before = true")
	require.Equal(t, "Registrar 0x00000001", eval[string](t, p, "document.title"))
	names := eval[[]string](t, p, `[...document.querySelectorAll("#pools h3 a")].map(a => a.textContent)`)
	for _, h := range hostileHandles {
		require.Contains(t, names, h.String())
	}
	shown := eval[string](t, p, "document.body.innerText")
	for _, bad := range []string{"\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\x00", "\x1b", "\x7f"} {
		require.NotContains(t, shown, bad, "%+q", bad)
	}
	require.Contains(t, shown, "25 %")
	becomes(t, p, `document.getElementById("live").className === "live on"`)
	harmless(t, p)

	// A registration, a deregistration and the death of a peer show without a reload.
	row := `!!document.querySelector("#pools [data-key='0x00004711']")`
	_ = c.ask(&asap.Registration{Handle: "later", Element: element(0x4711)})
	becomes(t, p, row)
	becomes(t, p, `document.getElementById("events").innerText.includes("element 0x00004711 registered in later")`)
	_ = c.ask(&asap.Deregistration{Handle: "later", PEID: 0x4711})
	becomes(t, p, "!"+row)
	becomes(t, p, `document.querySelector("#peers [data-key='0x00000002']").innerText.includes("active")`)
	require.NoError(t, rs[1].Close())
	becomes(t, p, `!document.querySelector("#peers [data-key='0x00000002']") || !document.querySelector("#peers [data-key='0x00000002']").innerText.includes("active")`)
	becomes(t, p, `document.getElementById("news").textContent.includes("registrar 0x00000002")`)
	becomes(t, p, `document.getElementById("events").innerText.includes("registrar 0x00000002")`)
	harmless(t, p)

	// Who types finds, and the focus stays where it is.
	eval[any](t, p, `document.getElementById("q").focus()`)
	require.NoError(t, p.Type("0XBAD3 leastused"))
	becomes(t, p, `document.querySelectorAll("#pools tbody tr").length === 1 && !!document.querySelector("#pools [data-key='0x0000bad3']")`)
	require.Equal(t, "q", eval[string](t, p, "document.activeElement.id"))
	require.Equal(t, "?q=0XBAD3+leastused", eval[string](t, p, "location.search"))
	require.True(t, eval[bool](t, p, "window.before"), "the page was never reloaded")

	// A pool has a page of its own, whatever its name is.
	for _, h := range hostileHandles {
		require.NoError(t, p.Open(url+fmt.Sprintf("?pool=%x", string(h))))
		becomes(t, p, `document.getElementById("live").className === "live on"`)
		require.Equal(t, []string{h.String()}, eval[[]string](t, p, `[...document.querySelectorAll("#pools h3 a")].map(a => a.textContent)`))
		harmless(t, p)
	}

	// Nothing is wider than a phone.
	require.NoError(t, p.Size(360, 740, true))
	require.NoError(t, p.Open(url))
	require.LessOrEqual(t, eval[int](t, p, "document.documentElement.scrollWidth"), 360)
	shots(t, p, "phone")
	require.NoError(t, p.Size(1200, 900, false))
	shots(t, p, "desktop")
}

// Without scripts the page is a snapshot in which one can search.
func TestWebStatusPageWithoutScripts(t *testing.T) {
	rs := startWith(t, 1, core.ProfileDefault)
	p, url := webPage(t, rs[0])
	c := rs[0].dial(t).stayAlive()
	for i := range 3 {
		_ = c.ask(&asap.Registration{Handle: rserpool.PoolHandle(fmt.Sprintf("<i>pool%d", i)), Element: element(rserpool.PEID(i + 1))})
	}
	require.NoError(t, p.Scripting(false))
	require.NoError(t, p.Open(url))
	text := eval[string](t, p, "document.body.innerText")
	require.Contains(t, text, "<i>pool0")
	require.Contains(t, text, "<i>pool2")
	require.Contains(t, text, "snapshot of")
	require.Contains(t, text, "reload the page")
	require.True(t, eval[bool](t, p, `document.querySelector("#search button").checkVisibility()`))
	require.NoError(t, p.Open(url+"?q=POOL1"))
	require.Equal(t, 1, eval[int](t, p, `document.querySelectorAll("#pools article").length`))
	require.NoError(t, p.Open(url+"?q="+strings.Repeat("%ff%00<", 200)))
	require.Contains(t, eval[string](t, p, "document.body.innerText"), "Nothing matches")
	require.Empty(t, p.Trouble())
}

// shots writes screenshots to the directory RSERPOOL_SHOTS, for people to look at.
func shots(t *testing.T, p *browser.Page, name string) {
	dir := os.Getenv("RSERPOOL_SHOTS")
	if dir == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		require.NoError(t, p.Prefer("prefers-color-scheme", scheme))
		time.Sleep(1200 * time.Millisecond) // a refresh later
		b, err := p.Screenshot(true)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-"+scheme+".png"), b, 0o600))
	}
}
