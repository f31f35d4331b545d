package core_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/registrar/core"
	"github.com/rserpool/rserpool/rserpool"
)

// sumOf is the checksum of a peer's elements.
func sumOf(home rserpool.RegistrarID, ids ...rserpool.PEID) uint16 {
	s := handlespace.New(handlespace.Options{})
	for _, id := range ids {
		if _, err := s.Register(time.Time{}, pool, owned(home, id, "10.0.1.1")); err != nil {
			panic(err)
		}
	}
	return s.Checksum(home)
}

func table(home rserpool.RegistrarID, more bool, ids ...rserpool.PEID) *enrp.HandleTableResponse {
	m := &enrp.HandleTableResponse{Sender: home, Receiver: ownID, More: more}
	for _, id := range ids {
		m.Pools = append(m.Pools, enrp.PoolEntries{Handle: pool, Elements: []rserpool.PoolElement{owned(home, id, "10.0.1.1")}})
	}
	return m
}

// RFC 5353 §3.6.1, §3.6.3: mark, ask, take in, sweep.
func TestAuditFetchesWhatDiffers(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, add(owned(0x900, 1, "10.0.1.1")))
	g.say(c, add(owned(0x900, 2, "10.0.1.1")))
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1, 2)))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "they agree")

	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2, 3, 4)))
	req := one[*enrp.HandleTableRequest](g, c)
	require.True(t, req.OwnOnly)
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2, 3, 4)))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "it is under way")
	g.say(c, table(0x900, true, 2))
	require.True(t, one[*enrp.HandleTableRequest](g, c).OwnOnly)
	require.NotZero(t, g.home(1), "not swept before the last page")
	g.say(c, table(0x900, true, 3))
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, false, 4))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c))
	require.Equal(t, []rserpool.RegistrarID{0, 0x900, 0x900, 0x900}, []rserpool.RegistrarID{g.home(1), g.home(2), g.home(3), g.home(4)})
	require.Equal(t, 1, g.happened(core.EventResynced))
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2, 3, 4)))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c))
}

// An interrupted table sweeps nothing; the next PRESENCE starts over.
func TestAuditInterrupted(t *testing.T) {
	for name, stop := range map[string]func(g *rig, c core.ConnID){
		"no page": func(g *rig, c core.ConnID) {
			for range 12 {
				g.tick(core.ProfileDefault.MaxTimeNoResponse)
				g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1)))
			}
		},
		"rejected": func(g *rig, c core.ConnID) {
			g.say(c, &enrp.HandleTableResponse{Sender: 0x900, Receiver: ownID, Reject: true})
			g.tick(core.ProfileDefault.MentorRetry)
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{})
			c := g.peer(0x900, "10.0.0.9")
			g.say(c, add(owned(0x900, 1, "10.0.1.1")))
			g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2)))
			stop(g, c)
			require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
			g.say(c, table(0x900, false))
			require.Equal(t, rserpool.RegistrarID(0x900), g.home(1), "a page that nobody waits for")
			g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2)))
			one[*enrp.HandleTableRequest](g, c)
		})
	}
}

// RFC 5353 §3.6.3: a table of own elements names no others; rsplib's may.
func TestAuditTakesOnlyThePeersOwnElements(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	e := g.asap("10.0.1.5")
	g.register(e, element(5, "10.0.1.5"))
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1)))
	m := table(0x900, false, 1)
	for _, home := range []rserpool.RegistrarID{ownID, 0x999, 0} {
		m.Pools = append(m.Pools, enrp.PoolEntries{Handle: pool, Elements: []rserpool.PoolElement{owned(home, 5, "10.0.1.6"), owned(home, 6, "10.0.1.6")}})
	}
	g.say(c, m)
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	require.Equal(t, ownID, g.home(5))
	el, _ := g.r.Space().Get(pool, 5)
	require.Equal(t, "10.0.1.5", el.User.Addrs[0].String())
	require.Zero(t, g.home(6))
}

// Where the table does not help it is fetched less and less often.
func TestAuditBacksOff(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	fetches := 0
	for range 300 {
		g.say(c, g.presence(0x900, "10.0.0.9", 0x1234)) // never right
		if len(sent[*enrp.HandleTableRequest](g, c)) > 0 {
			fetches++
			g.say(c, table(0x900, false, 1))
		}
		g.tick(core.ProfileDefault.Heartbeat)
	}
	require.Greater(t, fetches, 5)
	require.Less(t, fetches, 20)
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1))) // agree at last
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 2)))
	require.Len(t, sent[*enrp.HandleTableRequest](g, c), 1, "and at once when they differ anew")
}

// A table that never ends is given up.
func TestAuditTableWithoutEnd(t *testing.T) {
	g := newRig(t, core.Config{Limits: core.Limits{Elements: 50}})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, g.presence(0x900, "10.0.0.9", 0x1234))
	n := 0
	for range 1000 {
		if len(sent[*enrp.HandleTableRequest](g, c)) == 0 {
			break
		}
		n++
		g.say(c, table(0x900, true))
	}
	require.Less(t, n, 60)
	require.NotZero(t, g.r.Stats().Refused)
}

// tableRig is a registrar with 20 elements, whose pages have 7.
func tableRig(t *testing.T) *rig {
	g := newRig(t, core.Config{Limits: core.Limits{PageElements: 7}})
	e := g.asap("10.0.1.1")
	for i := range 20 {
		g.register(e, element(rserpool.PEID(i+1), "10.0.1.1"))
	}
	g.say(g.peer(0x901, "10.0.0.8"), add(owned(0x901, 99, "10.0.1.2")))
	return g
}

// request asks for a page and returns the identifiers on it.
func (g *rig) request(c core.ConnID, m *enrp.HandleTableRequest) (ids []rserpool.PEID, more bool) {
	g.t.Helper()
	m.Sender, m.Receiver = 0x900, ownID
	g.say(c, m)
	resp := one[*enrp.HandleTableResponse](g, c)
	require.False(g.t, resp.Reject)
	for _, p := range resp.Pools {
		for _, pe := range p.Elements {
			ids = append(ids, pe.ID)
			require.NotNil(g.t, pe.ASAP)
		}
	}
	return ids, resp.More
}

// RFC 5353 §3.2.3, §3.6.3: pages, the W flag, and a new session after the last, for
// peers that leave it to the registrar to keep the place.
func TestTableIsServedInPages(t *testing.T) {
	g := tableRig(t)
	c, _ := g.foreignPeer(0x900, "10.0.0.9")
	fetch := func(ownOnly bool) (all []rserpool.PEID, pages int) {
		for more := true; more && pages < 10; pages++ {
			var ids []rserpool.PEID
			ids, more = g.request(c, &enrp.HandleTableRequest{OwnOnly: ownOnly})
			all = append(all, ids...)
		}
		return all, pages
	}
	for range 2 {
		all, pages := fetch(true)
		require.Len(t, all, 20)
		require.Equal(t, 3, pages)
		all, pages = fetch(false)
		require.Len(t, all, 21)
		require.Equal(t, 3, pages)
		require.Contains(t, all, rserpool.PEID(99))
	}
	_, more := g.request(c, &enrp.HandleTableRequest{OwnOnly: true})
	require.True(t, more)
	g.tick(core.ProfileDefault.MaxTimeNoResponse) // §3.2.3: the session times out
	_, pages := fetch(true)
	require.Equal(t, 3, pages)
}

// A request that names the last element gets the page behind it, again and on any
// association; one that names none gets the first page.
func TestTableCursorIsInTheRequest(t *testing.T) {
	g := tableRig(t)
	c := g.peer(0x900, "10.0.0.9")
	first := []rserpool.PEID{1, 2, 3, 4, 5, 6, 7}
	for range 2 {
		ids, more := g.request(c, &enrp.HandleTableRequest{})
		require.Equal(t, first, ids)
		require.True(t, more)
	}
	after := &enrp.TablePlace{Handle: pool, PEID: 7}
	for range 2 {
		ids, _ := g.request(c, &enrp.HandleTableRequest{After: after})
		require.Equal(t, []rserpool.PEID{8, 9, 10, 11, 12, 13, 14}, ids)
	}
	g.lose(c)
	c = g.peer(0x900, "10.0.0.9")
	g.say(g.asap("10.0.1.1"), &asap.Deregistration{Handle: pool, PEID: 14})
	after.PEID = 14 // which is gone
	ids, more := g.request(c, &enrp.HandleTableRequest{After: after})
	require.Equal(t, []rserpool.PEID{15, 16, 17, 18, 19, 20, 99}, ids)
	require.False(t, more)
	ids, more = g.request(c, &enrp.HandleTableRequest{OwnOnly: true, After: &enrp.TablePlace{Handle: "q"}})
	require.Empty(t, ids)
	require.False(t, more)
}

// A table whose association is lost goes on with the next one: nothing is fetched
// twice, and what was there all the time is not swept.
func TestTableResumesAfterLoss(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, add(owned(0x900, 1, "10.0.1.1")))
	g.say(c, add(owned(0x900, 9, "10.0.1.1")))
	sum := sumOf(0x900, 1, 2, 3, 4)
	g.say(c, g.presence(0x900, "10.0.0.9", sum))
	require.Nil(t, one[*enrp.HandleTableRequest](g, c).After)
	g.say(c, table(0x900, true, 1, 2))
	require.Equal(t, &enrp.TablePlace{Handle: pool, PEID: 2}, one[*enrp.HandleTableRequest](g, c).After)
	g.lose(c)
	g.tick(time.Second)
	c = g.enrp("10.0.0.9")
	g.say(c, g.presence(0x900, "10.0.0.9", sum))
	require.Equal(t, &enrp.TablePlace{Handle: pool, PEID: 2}, one[*enrp.HandleTableRequest](g, c).After)
	g.say(c, table(0x900, false, 3, 4))
	require.Equal(t, sum, g.r.Space().Checksum(0x900), "with 1 and 2, without 9")
}

// A page that does not come is asked for again, and however many answers there are,
// each page counts once and for the request it belongs to.
func TestTableRepeatsRequests(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.peer(0x900, "10.0.0.9")
	g.say(c, add(owned(0x900, 1, "10.0.1.1")))
	differs := g.presence(0x900, "10.0.0.9", sumOf(0x900, 1, 2, 3))
	g.say(c, differs)
	one[*enrp.HandleTableRequest](g, c)
	wait := core.ProfileDefault.MaxTimeNoResponse
	g.tick(wait)
	require.Nil(t, one[*enrp.HandleTableRequest](g, c).After)
	g.say(c, table(0x900, true, 1, 2)) // answers the first request
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, true, 1, 2)) // and the second: nobody waits for it any more
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c))
	g.say(c, table(0x900, false, 3))
	require.Equal(t, sumOf(0x900, 1, 2, 3), g.r.Space().Checksum(0x900))

	// Given up after three times; the answers come when the next table is under way.
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1, 2)))
	for range 3 {
		one[*enrp.HandleTableRequest](g, c)
		g.tick(wait)
	}
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c))
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1, 2)))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "not while answers may be under way")
	for range 3 {
		g.say(c, table(0x900, false))
	}
	require.Equal(t, sumOf(0x900, 1, 2, 3), g.r.Space().Checksum(0x900), "late pages sweep nothing")
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1, 2)))
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, false, 1, 2))
	require.Equal(t, sumOf(0x900, 1, 2), g.r.Space().Checksum(0x900))
}

// A registrar of another implementation keeps the place of a table that was given up.
// The rest of it must not be taken for the whole.
func TestTableOfForeignPeerStartsOverAfterItsRest(t *testing.T) {
	g := newRig(t, core.Config{})
	c, m := g.foreignPeer(0x900, "10.0.0.9")
	for id := rserpool.PEID(1); id <= 4; id++ {
		g.say(c, add(owned(0x900, id, "10.0.1.1")))
	}
	m.Checksum = sumOf(0x900, 1, 2, 3, 4, 5)
	g.say(c, m)
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, true, 1, 2))
	require.Nil(t, one[*enrp.HandleTableRequest](g, c).After, "it does not know that")
	g.tick(core.ProfileDefault.MaxTimeNoResponse)
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "a repeated request would skip a page")
	g.lose(c)
	c = g.enrp("10.0.0.9")
	g.say(c, m)
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, false, 3, 4, 5)) // from where it stopped
	require.Equal(t, m.Checksum, g.r.Space().Checksum(0x900), "not swept")
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, true, 1, 2, 3))
	one[*enrp.HandleTableRequest](g, c)
	g.say(c, table(0x900, false, 4, 5))
	require.Equal(t, m.Checksum, g.r.Space().Checksum(0x900))
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c))
}

// What rsplib does not survive is kept from it: traps of its pages and handles.
func TestForeignPeerGetsWhatItCanRead(t *testing.T) {
	g := newRig(t, core.Config{})
	c := g.enrp("10.0.0.9")
	m := g.presence(0x900, "10.0.0.9", none)
	m.Server.Transport.UDPPort = 0 // so it is not of this implementation
	g.say(c, m)
	e := g.asap("10.0.1.1")
	for i := range 200 {
		g.register(e, element(rserpool.PEID(i+1), "10.0.1.1"))
	}
	g.out = nil
	g.say(e, registration(strings.Repeat("x", 33), element(1, "10.0.1.1")))
	require.Empty(t, sent[*enrp.HandleUpdate](g, c), "a handle of more than 32 bytes")
	g.say(e, registration(strings.Repeat("x", 32), element(1, "10.0.1.1")))
	us := sent[*enrp.HandleUpdate](g, c)
	require.Len(t, us, 1)
	require.Equal(t, uint32(60_000), us[0].Element.Life, "milliseconds")
	require.Zero(t, us[0].Element.ASAP.UDPPort, "no parameter that it does not know and that says nothing")
	el, _ := g.r.Space().Get(us[0].Handle, 1)
	require.Equal(t, uint32(60), el.Life)
	n := 0
	for more := true; more; {
		g.say(c, &enrp.HandleTableRequest{Sender: 0x900, Receiver: ownID, OwnOnly: true})
		resp := one[*enrp.HandleTableResponse](g, c)
		require.LessOrEqual(t, len(resp.AppendTo(nil)), 1400)
		for _, p := range resp.Pools {
			require.LessOrEqual(t, len(p.Handle), 32)
			n += len(p.Elements)
		}
		more = resp.More
	}
	require.Equal(t, 201, n)
}

// rsplib's checksum loses carries where a registrar owns thousands of elements.
func TestForeignChecksum(t *testing.T) {
	h := rserpool.PoolHandle(strings.Repeat("\xff", 32))
	g := newRig(t, core.Config{})
	c := g.enrp("10.0.0.9")
	m := g.presence(0x900, "10.0.0.9", none)
	m.Server.Transport.UDPPort = 0
	g.say(c, m)
	e := g.asap("10.0.1.1")
	for i := range 4000 {
		pe := owned(0x900, 0xffffffff-rserpool.PEID(i), "10.0.1.1")
		g.r.HandleENRP(g.now, c, &enrp.HandleUpdate{Sender: 0x900, Action: enrp.AddPE, Handle: h, Element: pe})
		pe.ID -= 100_000
		g.r.HandleASAP(g.now, e, regOf(h, pe))
	}
	g.drain()
	for _, home := range []rserpool.RegistrarID{0x900, ownID} {
		require.NotEqual(t, g.r.Space().Checksum(home), g.r.Space().ChecksumRsplib(home))
	}
	for sum, differs := range map[uint16]bool{g.r.Space().Checksum(0x900): false, g.r.Space().ChecksumRsplib(0x900): false, 0x1234: true} {
		m.Checksum = sum
		g.say(c, m)
		require.Equal(t, differs, len(sent[*enrp.HandleTableRequest](g, c)) > 0)
	}
	m.ReplyRequired = true
	g.say(c, m)
	require.Equal(t, g.r.Space().ChecksumRsplib(ownID), one[*enrp.Presence](g, c).Checksum)
	c = g.enrp("10.0.0.8")
	m = g.presence(0x901, "10.0.0.8", none)
	m.ReplyRequired = true
	g.say(c, m)
	require.Equal(t, g.r.Space().Checksum(ownID), one[*enrp.Presence](g, c).Checksum)
}

func registration(h string, pe rserpool.PoolElement) core.Message {
	return regOf(rserpool.PoolHandle(h), pe)
}

// RFC 5353 §3.2: the start-up with a mentor.
func TestStartUpWithMentor(t *testing.T) {
	g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901), at("10.0.0.8", 9901)}})
	require.False(t, g.r.Ready())
	c := g.connect()
	require.True(t, one[*enrp.Presence](g, c).ReplyRequired)
	g.say(c, g.presence(0x900, "10.0.0.9", sumOf(0x900, 1)))
	one[*enrp.ListRequest](g, c)
	require.Empty(t, sent[*enrp.HandleTableRequest](g, c), "§3.2.3: after the list")

	stranger := g.enrp("10.0.0.7") // others that ask meanwhile are refused
	g.say(stranger, &enrp.ListRequest{Sender: 0x907})
	require.True(t, one[*enrp.ListResponse](g, stranger).Reject)
	g.say(stranger, &enrp.HandleTableRequest{Sender: 0x907})
	require.True(t, one[*enrp.HandleTableResponse](g, stranger).Reject)

	g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Servers: []rserpool.ServerInfo{{ID: 0x901, Transport: at("10.0.0.6", 9901)}}})
	require.False(t, one[*enrp.HandleTableRequest](g, c).OwnOnly, "§3.2.3: the entire handlespace")
	require.True(t, g.did(core.Dial, 0))
	m := table(0x900, true, 1)
	g.say(c, m)
	one[*enrp.HandleTableRequest](g, c)
	require.False(t, g.r.Ready())
	m = table(0x900, false)
	m.Pools = []enrp.PoolEntries{{Handle: pool, Elements: []rserpool.PoolElement{owned(0x901, 2, "10.0.1.2")}}}
	g.say(c, m)
	require.True(t, g.r.Ready())
	require.Equal(t, 1, g.happened(core.EventReady))
	require.Equal(t, rserpool.RegistrarID(0x900), g.home(1))
	require.Equal(t, rserpool.RegistrarID(0x901), g.home(2), "hearsay is better than nothing")
	require.True(t, one[*enrp.Presence](g, c).ReplyRequired, "for the checksums")
}

// RFC 5353 §3.2.2.2, §3.2.3: rejections, silence and failures lead to the backup.
func TestStartUpChangesTheMentor(t *testing.T) {
	for name, fail := range map[string]func(g *rig, c core.ConnID){
		"list rejected": func(g *rig, c core.ConnID) {
			g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID, Reject: true})
		},
		"list not answered": func(g *rig, c core.ConnID) { g.tick(core.ProfileDefault.MaxTimeNoResponse) },
		"table rejected": func(g *rig, c core.ConnID) {
			g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
			g.say(c, &enrp.HandleTableResponse{Sender: 0x900, Receiver: ownID, Reject: true})
		},
		"table not answered": func(g *rig, c core.ConnID) {
			g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
			g.tick(core.ProfileDefault.MaxTimeNoResponse)
		},
		"connection lost": func(g *rig, c core.ConnID) { g.lose(c) },
	} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901), at("10.0.0.8", 9901)}})
			a, b := g.connect(), g.connect()
			g.say(a, g.presence(0x900, "10.0.0.9", none))
			one[*enrp.ListRequest](g, a)
			g.say(b, g.presence(0x800, "10.0.0.8", none))
			require.Empty(t, sent[*enrp.ListRequest](g, b), "one mentor at a time")
			fail(g, a)
			one[*enrp.ListRequest](g, b)
			g.say(b, &enrp.ListResponse{Sender: 0x800, Receiver: ownID})
			g.say(b, table(0x800, false, 1))
			require.True(t, g.r.Ready())
			require.Equal(t, rserpool.RegistrarID(0x800), g.home(1))
		})
	}
}

// With one mentor only, the start-up waits for it and goes on where it was, whichever
// side had opened the association.
func TestStartUpResumesWithTheOnlyMentor(t *testing.T) {
	for _, accepted := range []bool{false, true} {
		g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		connect := func() core.ConnID {
			if accepted {
				return g.enrp("10.0.0.9")
			}
			return g.connect()
		}
		begin := func(c core.ConnID) *enrp.HandleTableRequest {
			g.say(c, g.presence(0x900, "10.0.0.9", none))
			one[*enrp.ListRequest](g, c)
			g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
			return one[*enrp.HandleTableRequest](g, c)
		}
		c := connect()
		require.Nil(t, begin(c).After)
		g.say(c, table(0x900, true, 1, 2))
		g.lose(c)
		require.False(t, g.r.Ready())
		g.tick(core.ProfileDefault.DialRetryMin * 2)
		c = connect()
		require.Equal(t, &enrp.TablePlace{Handle: pool, PEID: 2}, begin(c).After)
		g.say(c, table(0x900, false, 3))
		require.True(t, g.r.Ready())
		require.Equal(t, 3, g.r.Space().OwnedLen(0x900))
	}
}

func TestStartUpEndsWithoutMentor(t *testing.T) {
	t.Run("nobody configured", func(t *testing.T) { // RFC 5353 §3.2.2.1
		require.True(t, newRig(t, core.Config{}).r.Ready())
	})
	t.Run("no answer", func(t *testing.T) {
		g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		g.tick(core.ProfileDefault.MentorTimeout - time.Millisecond)
		require.False(t, g.r.Ready())
		g.tick(time.Millisecond)
		require.True(t, g.r.Ready())
	})
	t.Run("nobody there", func(t *testing.T) {
		g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		for _, a := range g.out {
			g.r.Lost(g.now, a.Conn, "refused")
		}
		require.True(t, g.r.Ready())
	})
	t.Run("not while a peer that has dialed first is about to speak", func(t *testing.T) {
		g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
		dial := g.out[0].Conn
		c := g.enrp("10.0.0.9")
		g.r.Lost(g.now, dial, "association exists")
		g.drain()
		require.False(t, g.r.Ready())
		g.say(c, g.presence(0x900, "10.0.0.9", none))
		one[*enrp.ListRequest](g, c)
	})
	for _, id := range []rserpool.RegistrarID{ownID - 1, ownID + 1} {
		t.Run(fmt.Sprintf("all are starting, the other is %s", id), func(t *testing.T) {
			g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
			c := g.connect()
			g.say(c, g.presence(id, "10.0.0.9", none))
			g.say(c, &enrp.ListResponse{Sender: id, Receiver: ownID, Reject: true})
			require.Equal(t, ownID < id, g.r.Ready(), "the smallest begins")
			if ownID < id {
				return
			}
			g.out = nil
			g.tick(core.ProfileDefault.MentorRetry * 5 / 4)
			one[*enrp.ListRequest](g, c)
			g.say(c, &enrp.ListResponse{Sender: id, Receiver: ownID})
			g.say(c, table(id, false))
			require.True(t, g.r.Ready(), "the others follow")
		})
	}
}

// A registrar that is restarted with its identifier finds its elements at its
// mentor, instead of making all forget them.
func TestRestartWithFixedIdentifierFindsItsElements(t *testing.T) {
	g := newRig(t, core.Config{Peers: []rserpool.Transport{at("10.0.0.9", 9901)}})
	c := g.connect()
	g.say(c, g.presence(0x900, "10.0.0.9", none))
	g.say(c, &enrp.ListResponse{Sender: 0x900, Receiver: ownID})
	m := table(0x900, false)
	m.Pools = []enrp.PoolEntries{{Handle: pool, Elements: []rserpool.PoolElement{owned(ownID, 1, "10.0.1.1")}}}
	g.say(c, m)
	require.Equal(t, ownID, g.home(1))
	require.Equal(t, sumOf(ownID, 1), one[*enrp.Presence](g, c).Checksum)
	e := g.connect()
	require.True(t, one[*keepAlive](g, e).Home)
	g.say(e, ack(1))
	g.tick(core.ProfileDefault.KeepAlive / 4)
	require.Equal(t, ownID, g.home(1))
}
