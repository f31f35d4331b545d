package cookie

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rserpool/rserpool/rserpool"
)

// Why a cookie was not accepted. Each of the others is an ErrInvalid, too.
var (
	// ErrInvalid is any cookie that Open does not accept.
	ErrInvalid = errors.New("cookie: not accepted")
	// ErrFormat: it was not made by a Sealer, or it is longer than Config.MaxState
	// allows.
	ErrFormat = fmt.Errorf("%w: not a sealed cookie", ErrInvalid)
	// ErrUnknownKey: it was sealed with a key that is not among Config.Keys.
	ErrUnknownKey = fmt.Errorf("%w: sealed with an unknown key", ErrInvalid)
	// ErrForged: it was changed, made up, or sealed for another pool.
	ErrForged = fmt.Errorf("%w: not authentic", ErrInvalid)
	// ErrExpired: its life has ended.
	ErrExpired = fmt.Errorf("%w: expired", ErrInvalid)
	// ErrFuture: it was sealed later than now, by more than Config.Skew.
	ErrFuture = fmt.Errorf("%w: sealed in the future", ErrInvalid)
)

// Defaults of Config.
const (
	DefaultLife     = time.Hour
	DefaultSkew     = 30 * time.Second
	DefaultMaxState = 16 << 10
)

// Overhead is how many bytes a cookie is longer than the state in it.
const Overhead = headerLen + saltLen + nonceLen + timesLen + tagLen

const (
	magic     = "RSC1"
	headerLen = len(magic) + 4
	saltLen   = 16
	nonceLen  = 12
	timesLen  = 16
	tagLen    = 16
)

// Config says how a Sealer works. The zero value lacks Keys only.
type Config struct {
	// Pool is the pool whose elements may open the cookies. Empty is a name, too.
	Pool rserpool.PoolHandle
	// Keys are those of the pool: the first one seals, all of them open.
	Keys []Key
	// Life is how long a cookie is good for. Zero: DefaultLife.
	Life time.Duration
	// Skew is how far the clocks of the elements may be apart. Zero: DefaultSkew;
	// negative: not at all.
	Skew time.Duration
	// MaxState is the longest state in bytes that is sealed or opened; together with
	// Overhead no more than rserpool.MaxCookie. Zero: DefaultMaxState.
	MaxState int
}

// Sealer seals and opens cookies. Its methods may be called by several goroutines at
// once.
type Sealer struct {
	pool       rserpool.PoolHandle
	keys       atomic.Pointer[keyring]
	life, skew time.Duration
	maxState   int
}

// keyring is a set of keys; it does not change.
type keyring struct {
	first Key
	all   map[uint32]Key
}

func newKeyring(keys []Key) (*keyring, error) {
	if len(keys) == 0 || len(keys) > maxKeys {
		return nil, fmt.Errorf("cookie: a Sealer needs 1 to %d keys", maxKeys)
	}
	r := &keyring{first: keys[0], all: make(map[uint32]Key, len(keys))}
	for _, k := range keys {
		if k == (Key{}) {
			return nil, errors.New("cookie: a key is not set")
		}
		if _, twice := r.all[k.id]; twice {
			return nil, fmt.Errorf("cookie: %v is there twice", k)
		}
		r.all[k.id] = k
	}
	return r, nil
}

// NewSealer returns a Sealer. A nil Config, or one without keys, is an error, as are
// two keys of the same identifier.
func NewSealer(cfg *Config) (*Sealer, error) {
	if cfg == nil {
		cfg = &Config{}
	}
	s := &Sealer{pool: cfg.Pool, life: cfg.Life, skew: cfg.Skew, maxState: cfg.MaxState}
	if err := s.SetKeys(cfg.Keys); err != nil {
		return nil, err
	}
	if s.life <= 0 {
		s.life = DefaultLife
	}
	if s.skew == 0 {
		s.skew = DefaultSkew
	}
	s.skew = max(s.skew, 0)
	if s.maxState <= 0 {
		s.maxState = DefaultMaxState
	}
	if s.maxState > rserpool.MaxCookie-Overhead {
		return nil, fmt.Errorf("cookie: MaxState %d, want at most %d", s.maxState, rserpool.MaxCookie-Overhead)
	}
	return s, nil
}

// SetKeys replaces the keys of the configuration: the first one seals from now on, all
// of them open. If the error is not nil, nothing has changed.
func (s *Sealer) SetKeys(keys []Key) error {
	r, err := newKeyring(keys)
	if err == nil {
		s.keys.Store(r)
	}
	return err
}

// Seal returns a cookie with the state, which may be empty. The error is that the
// state is too long.
func (s *Sealer) Seal(state []byte) ([]byte, error) {
	if len(state) > s.maxState {
		return nil, fmt.Errorf("cookie: state of %d bytes, want at most %d", len(state), s.maxState)
	}
	b := make([]byte, headerLen+saltLen+nonceLen, Overhead+len(state))
	copy(b, magic)
	key := s.keys.Load().first
	binary.BigEndian.PutUint32(b[len(magic):], key.id)
	_, _ = rand.Read(b[headerLen:]) // it never fails
	aead, err := key.aead(b[headerLen : headerLen+saltLen])
	if err != nil {
		return nil, err
	}
	now := time.Now()
	plain := make([]byte, 0, timesLen+len(state))
	plain = binary.BigEndian.AppendUint64(plain, uint64(now.UnixMilli()))
	plain = binary.BigEndian.AppendUint64(plain, uint64(now.Add(s.life).UnixMilli()))
	plain = append(plain, state...)
	return aead.Seal(b, b[headerLen+saltLen:], plain, s.bound(b[:headerLen])), nil
}

// Open returns the state in a cookie, which comes from the network and may be anything.
// The errors are those of this package that are ErrInvalid.
func (s *Sealer) Open(cookie []byte) ([]byte, error) {
	if len(cookie) < Overhead || len(cookie) > Overhead+s.maxState || string(cookie[:len(magic)]) != magic {
		return nil, ErrFormat
	}
	key, known := s.keys.Load().all[binary.BigEndian.Uint32(cookie[len(magic):])]
	if !known {
		return nil, ErrUnknownKey
	}
	header, rest := cookie[:headerLen], cookie[headerLen:]
	aead, err := key.aead(rest[:saltLen])
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, rest[saltLen:saltLen+nonceLen], rest[saltLen+nonceLen:], s.bound(header))
	if err != nil {
		return nil, ErrForged
	}
	now := time.Now()
	sealed := time.UnixMilli(int64(binary.BigEndian.Uint64(plain)))
	expires := time.UnixMilli(int64(binary.BigEndian.Uint64(plain[8:])))
	switch {
	case sealed.After(now.Add(s.skew)):
		return nil, ErrFuture
	// The life is that of this element, should it be the shorter one: it may have
	// been cut because a key leaked.
	case !now.Before(expires.Add(s.skew)), now.Sub(sealed) >= s.life+s.skew:
		return nil, ErrExpired
	}
	return plain[timesLen:], nil
}

// bound is the data that is authenticated and not in the ciphertext: the header and the
// pool.
func (s *Sealer) bound(header []byte) []byte {
	return append(header[:len(header):len(header)], s.pool...)
}

// aead is the cipher for one cookie.
func (k *Key) aead(salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Expand(sha256.New, k.key[:], labelSeal+string(salt), 32)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("cookie: %w", err)
	}
	return aead, nil
}
