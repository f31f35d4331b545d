package core

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

type testRand struct{ r *rand.Rand }

func (t testRand) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(t.r.Uint32())
	}
	return len(b), nil
}

var cookieTime = time.Unix(1_700_000_000, 12345)

func testKeys(t *testing.T) *keyring {
	k := &keyring{}
	require.NoError(t, k.init(cookieTime, testRand{rand.New(rand.NewPCG(1, 2))}))
	return k
}

func testCookie() *cookie {
	return &cookie{
		created: cookieTime, life: time.Minute, localPort: 1, peerPort: 2, localTag: 3, peerTag: 4, localTSN: 5, peerTSN: 6,
		peerRwnd: 7, outStreams: 8, inStreams: 9, tieLocal: 10, tiePeer: 11, local: netip.MustParseAddr("2001:db8::1"),
		peers: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:9899"), netip.MustParseAddrPort("[2001:db8::2]:4711")},
	}
}

// sealRaw authenticates any content with the current key, as only the owner of
// the key can.
func (k *keyring) sealRaw(content []byte) []byte {
	b := append([]byte{cookieVersion, k.serial}, content...)
	return append(b, k.mac(0, b)...)
}

func TestCookieRoundTrip(t *testing.T) { // RFC 9260 §5.1.3
	k, c := testKeys(t), testCookie()
	got, ok := k.open(cookieTime, k.seal(c, nil))
	require.True(t, ok)
	require.True(t, got.created.Equal(c.created))
	got.created = c.created
	require.Equal(t, c, got)
}

func TestC3AuthenticButTruncatedCookie(t *testing.T) {
	k := testKeys(t)
	content := testCookie().appendTo(nil)
	for n := range len(content) {
		_, ok := k.open(cookieTime, k.sealRaw(content[:n]))
		require.False(t, ok, "%d of %d bytes", n, len(content))
	}
	_, ok := k.open(cookieTime, k.sealRaw(append(content, 0)))
	require.False(t, ok, "a byte too many")
	_, ok = k.open(cookieTime, k.sealRaw(content))
	require.True(t, ok)
}

func TestC4AuthenticCookieWithALongAddressList(t *testing.T) {
	k := testKeys(t)
	for _, n := range []int{0, maxPeerAddrs + 1, 255} {
		c := testCookie()
		c.peers = nil
		for range n {
			c.peers = append(c.peers, netip.MustParseAddrPort("192.0.2.1:9899"))
		}
		_, ok := k.open(cookieTime, k.sealRaw(c.appendTo(nil)))
		require.False(t, ok, "%d addresses", n)
	}
	content := testCookie().appendTo(nil)
	at := len(content) - (1 + 4 + 2) - (1 + 16 + 2) - 1 // the count of addresses
	require.Equal(t, byte(2), content[at])
	content[at] = 9
	_, ok := k.open(cookieTime, k.sealRaw(content))
	require.False(t, ok, "more addresses than there are bytes")
	for _, length := range []byte{1, 5, 17, 255} { // no address has that length
		content := testCookie().appendTo(nil)
		content[at+1] = length
		_, ok := k.open(cookieTime, k.sealRaw(content))
		require.False(t, ok)
	}
}

func TestC3CookieWithZeroTags(t *testing.T) {
	k := testKeys(t)
	for _, change := range []func(*cookie){
		func(c *cookie) { c.localTag = 0 },
		func(c *cookie) { c.peerTag = 0 },
		func(c *cookie) { c.life = -1 },
	} {
		c := testCookie()
		change(c)
		_, ok := k.open(cookieTime, k.seal(c, nil))
		require.False(t, ok)
	}
}
