package handlespace_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/handlespace"
	"github.com/rserpool/rserpool/rserpool"
)

// pages walks through a handle table and returns each page's keys.
func pages(s *handlespace.Space, home rserpool.RegistrarID, maxElements, maxBytes int) [][]string {
	var out [][]string
	var c handlespace.Cursor
	for {
		entries, next, more := s.Page(home, c, maxElements, maxBytes)
		var keys []string
		for _, e := range entries {
			for _, pe := range e.Elements {
				keys = append(keys, handlespace.Key{Handle: e.Handle, ID: pe.ID}.String()[:1]+pe.ID.String()[9:])
			}
		}
		out = append(out, keys)
		if !more {
			return out
		}
		c = next
	}
}

// RFC 5353 §3.2.3: several messages, the last with M = 0; §2.2: W = 1 asks for the
// own elements only.
func TestPages(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	require.Equal(t, [][]string{nil}, pages(s, 0, 2, 0))
	for _, h := range []rserpool.PoolHandle{"a", "b", "c"} {
		for id := rserpool.PEID(1); id <= 3; id++ {
			register(t, s, h, element(id, rserpool.RegistrarID(id&1+1))) // 1 and 3 belong to 2
		}
	}
	require.Equal(t, [][]string{{"a1", "a2", "a3", "b1"}, {"b2", "b3", "c1", "c2"}, {"c3"}}, pages(s, 0, 4, 0))
	require.Equal(t, [][]string{{"a1", "a3", "b1"}, {"b3", "c1", "c3"}}, pages(s, 2, 3, 0))
	require.Equal(t, [][]string{{"a2", "b2", "c2"}}, pages(s, 1, 0, 0), "no limit")
	require.Equal(t, [][]string{nil}, pages(s, 3, 1, 1))

	size := len(element(1, 1).AppendTo(nil))
	handle := len(rserpool.PoolHandle("a").AppendTo(nil))
	require.Equal(t, [][]string{{"a1", "a2", "a3"}, {"b1", "b2", "b3"}, {"c1", "c2", "c3"}}, pages(s, 0, 0, 3*size+handle))
	require.Equal(t, [][]string{{"a1", "a2"}, {"a3", "b1"}, {"b2", "b3"}, {"c1", "c2"}, {"c3"}}, pages(s, 0, 0, 2*size+2*handle), "a new pool costs its handle")
	require.Len(t, pages(s, 0, 0, 1), 9, "at least one element a page")
}

// A page holds what the response to peers encodes: entries grouped by pool.
func TestPageGroupsByPool(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	register(t, s, "b", element(1, 1))
	register(t, s, "a", element(2, 1))
	register(t, s, "a", element(1, 1))
	got, _, more := s.Page(0, handlespace.Cursor{}, 0, 0)
	require.False(t, more)
	require.Equal(t, []handlespace.PoolEntry{
		{Handle: "a", Elements: []rserpool.PoolElement{element(1, 1), element(2, 1)}},
		{Handle: "b", Elements: []rserpool.PoolElement{element(1, 1)}},
	}, got)
}

// The element a cursor stands at may go, and its pool with it.
func TestCursorSurvivesChanges(t *testing.T) {
	s := handlespace.New(handlespace.Options{})
	for _, h := range []rserpool.PoolHandle{"a", "b", "c"} {
		register(t, s, h, element(1, 1))
	}
	_, c, more := s.Page(1, handlespace.Cursor{}, 2, 0)
	require.True(t, more)
	s.Deregister("b", 1)
	register(t, s, "aa", element(1, 1)) // behind the reader: the next table has it
	register(t, s, "bb", element(1, 1))
	got, _, more := s.Page(1, c, 2, 0)
	require.False(t, more)
	require.Equal(t, []rserpool.PoolHandle{"bb", "c"}, []rserpool.PoolHandle{got[0].Handle, got[1].Handle})
	s.TakeOver(1, 2)
	got, same, more := s.Page(1, c, 2, 0)
	require.Empty(t, got)
	require.False(t, more)
	require.Equal(t, c, same)
}
