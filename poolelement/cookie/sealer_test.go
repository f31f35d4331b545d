package cookie_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/poolelement/cookie"
	"github.com/rserpool/rserpool/rserpool"
)

func key(t *testing.T, b byte) cookie.Key {
	t.Helper()
	k, err := cookie.NewKey(bytes.Repeat([]byte{b}, 32))
	require.NoError(t, err)
	return k
}

func sealer(t *testing.T, cfg cookie.Config) *cookie.Sealer {
	t.Helper()
	if cfg.Keys == nil {
		cfg.Keys = []cookie.Key{key(t, 1)}
	}
	s, err := cookie.NewSealer(&cfg)
	require.NoError(t, err)
	return s
}

func seal(t *testing.T, s *cookie.Sealer, state string) []byte {
	t.Helper()
	c, err := s.Seal([]byte(state))
	require.NoError(t, err)
	return c
}

// RFC 5352 §3.8: what one element has sealed another one with the same key opens.
func TestSealedByOneElementOpenedByAnother(t *testing.T) {
	a, b := sealer(t, cookie.Config{Pool: "P"}), sealer(t, cookie.Config{Pool: "P"})
	for _, state := range []string{"", "x", strings.Repeat("state", 1000)} {
		c := seal(t, a, state)
		require.Len(t, c, len(state)+cookie.Overhead)
		got, err := b.Open(c)
		require.NoError(t, err)
		require.Equal(t, state, string(got))
	}
}

// Users learn nothing of the state: it is not in the cookie, and equal states look
// different.
func TestSealedStateIsHidden(t *testing.T) {
	s := sealer(t, cookie.Config{})
	a, b := seal(t, s, "balance=1000000"), seal(t, s, "balance=1000000")
	require.NotContains(t, string(a), "balance")
	require.NotEqual(t, a[8:], b[8:])
	same := 0
	for i := range a[8:] {
		if a[8+i] == b[8+i] {
			same++
		}
	}
	require.Less(t, same, 12)
}

// Z16: no bit of a cookie can be changed, nothing can be cut off or appended.
func TestZ16ForgedCookieIsRefused(t *testing.T) {
	s := sealer(t, cookie.Config{Pool: "P"})
	c := seal(t, s, "user=alice")
	for i := range len(c) * 8 {
		forged := bytes.Clone(c)
		forged[i/8] ^= 1 << (i % 8)
		_, err := s.Open(forged)
		require.ErrorIs(t, err, cookie.ErrInvalid, "bit %d", i)
		switch i / 8 {
		case 0, 1, 2, 3:
			require.ErrorIs(t, err, cookie.ErrFormat)
		case 4, 5, 6, 7:
			require.ErrorIs(t, err, cookie.ErrUnknownKey)
		default:
			require.ErrorIs(t, err, cookie.ErrForged)
		}
	}
	for n := range len(c) {
		_, err := s.Open(c[:n])
		require.ErrorIs(t, err, cookie.ErrInvalid, "%d bytes", n)
	}
	_, err := s.Open(append(bytes.Clone(c), 0))
	require.ErrorIs(t, err, cookie.ErrForged)
	_, err = s.Open(nil)
	require.ErrorIs(t, err, cookie.ErrFormat)
}

// Z16: a cookie of another pool is not accepted, though the key is the same.
func TestZ16CookieOfAnotherPoolIsRefused(t *testing.T) {
	c := seal(t, sealer(t, cookie.Config{Pool: "Guests"}), "role=admin")
	_, err := sealer(t, cookie.Config{Pool: "Admins"}).Open(c)
	require.ErrorIs(t, err, cookie.ErrForged)
}

// Z16: who has another key cannot make cookies, also not under the identifier of ours.
func TestZ16CookieOfAnotherKeyIsRefused(t *testing.T) {
	stranger := key(t, 2)
	c := seal(t, sealer(t, cookie.Config{Keys: []cookie.Key{stranger}}), "x")
	_, err := sealer(t, cookie.Config{}).Open(c)
	require.ErrorIs(t, err, cookie.ErrUnknownKey)
	ours := key(t, 1)
	binary.BigEndian.PutUint32(c[4:], ours.ID())
	_, err = sealer(t, cookie.Config{}).Open(c)
	require.ErrorIs(t, err, cookie.ErrForged)
}

// Z16: what is longer than it may be is refused before anything is computed.
func TestZ16OversizedCookieIsRefused(t *testing.T) {
	s := sealer(t, cookie.Config{MaxState: 10})
	_, err := s.Seal(make([]byte, 11))
	require.Error(t, err)
	c := seal(t, sealer(t, cookie.Config{}), "eleven chars")
	_, err = s.Open(c)
	require.ErrorIs(t, err, cookie.ErrFormat)
	huge := make([]byte, rserpool.MaxCookie)
	copy(huge, c)
	require.LessOrEqual(t, testing.AllocsPerRun(10, func() { _, _ = s.Open(huge) }), 0.0)
}

// Cookies expire, and a clock that is a little behind does not matter.
func TestCookieExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := sealer(t, cookie.Config{Life: time.Minute, Skew: 5 * time.Second})
		c := seal(t, s, "x")
		time.Sleep(time.Minute)
		_, err := s.Open(c)
		require.NoError(t, err)
		time.Sleep(5 * time.Second)
		_, err = s.Open(c)
		require.ErrorIs(t, err, cookie.ErrExpired)

		// The element that opens may have a shorter life than the one that sealed.
		c = seal(t, sealer(t, cookie.Config{Life: time.Hour}), "x")
		time.Sleep(2 * time.Minute)
		_, err = s.Open(c)
		require.ErrorIs(t, err, cookie.ErrExpired)
	})
}

func TestCookieOfTheFuture(t *testing.T) {
	var c []byte
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour) // the clock of the element that seals is fast
		c = seal(t, sealer(t, cookie.Config{}), "x")
	})
	synctest.Test(t, func(t *testing.T) {
		_, err := sealer(t, cookie.Config{}).Open(c)
		require.ErrorIs(t, err, cookie.ErrFuture)
		time.Sleep(time.Hour - cookie.DefaultSkew)
		_, err = sealer(t, cookie.Config{}).Open(c)
		require.NoError(t, err)
	})
}

// Keys are changed while cookies are under way.
func TestKeyRotation(t *testing.T) {
	old, next := key(t, 1), key(t, 2)
	before := sealer(t, cookie.Config{Keys: []cookie.Key{old, next}})
	after := sealer(t, cookie.Config{Keys: []cookie.Key{next, old}})
	late := sealer(t, cookie.Config{Keys: []cookie.Key{next}})
	for _, s := range []*cookie.Sealer{before, after} {
		for _, o := range []*cookie.Sealer{before, after} {
			_, err := o.Open(seal(t, s, "x"))
			require.NoError(t, err)
		}
	}
	_, err := late.Open(seal(t, before, "x"))
	require.ErrorIs(t, err, cookie.ErrUnknownKey)
	_, err = late.Open(seal(t, after, "x"))
	require.NoError(t, err)
}

// Keys are changed while the Sealer is used; what is wrong with them changes nothing.
func TestSetKeys(t *testing.T) {
	old, next := key(t, 1), key(t, 2)
	s := sealer(t, cookie.Config{Keys: []cookie.Key{old}})
	stop := make(chan struct{})
	var users sync.WaitGroup
	for range 4 {
		users.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				c, err := s.Seal([]byte("x"))
				if err == nil {
					_, err = s.Open(c)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	c := seal(t, s, "x")
	for _, keys := range [][]cookie.Key{{old, next}, {next, old}} {
		time.Sleep(time.Millisecond)
		require.NoError(t, s.SetKeys(keys))
		_, err := s.Open(c)
		require.NoError(t, err)
	}
	require.Error(t, s.SetKeys(nil))
	require.Error(t, s.SetKeys([]cookie.Key{next, next}))
	close(stop)
	users.Wait()
	require.NoError(t, s.SetKeys([]cookie.Key{next}))
	_, err := s.Open(c)
	require.ErrorIs(t, err, cookie.ErrUnknownKey)
}

func TestConfigIsChecked(t *testing.T) {
	k := key(t, 1)
	for name, cfg := range map[string]*cookie.Config{
		"nil": nil, "no keys": {}, "unset key": {Keys: []cookie.Key{{}}}, "twice": {Keys: []cookie.Key{k, k}},
		"too many": {Keys: make([]cookie.Key, 65)}, "longer than a message": {Keys: []cookie.Key{k}, MaxState: rserpool.MaxCookie},
	} {
		_, err := cookie.NewSealer(cfg)
		require.Error(t, err, name)
	}
	_, err := cookie.NewKey(make([]byte, cookie.MinSecret-1))
	require.Error(t, err)
}

func TestParseKeys(t *testing.T) {
	a := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	b := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{2}, 32))
	keys, err := cookie.ParseKeys([]byte("# today's\n" + a + "\n\n  " + b + "\r\n"))
	require.NoError(t, err)
	require.Equal(t, []cookie.Key{key(t, 1), key(t, 2)}, keys)
	for _, text := range []string{"", "# none\n", "hunter2\n", "c2hvcnQ=\n"} {
		_, err := cookie.ParseKeys([]byte(text))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// Keys do not get into logs.
func TestKeyIsNotPrinted(t *testing.T) {
	k := key(t, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		require.Equal(t, k.String(), fmt.Sprintf(format, k))
	}
}

func BenchmarkSealOpen(b *testing.B) {
	k, err := cookie.NewKey(make([]byte, 32))
	require.NoError(b, err)
	s, err := cookie.NewSealer(&cookie.Config{Keys: []cookie.Key{k}})
	require.NoError(b, err)
	state := make([]byte, 100)
	for b.Loop() {
		c, err := s.Seal(state)
		if err == nil {
			_, err = s.Open(c)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}
