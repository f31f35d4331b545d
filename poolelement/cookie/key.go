package cookie

import (
	"bufio"
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// MinSecret is the least length of a secret in bytes. A secret is meant to be random,
// not a password.
const MinSecret = 16

// maxKeys bounds the keys of a Sealer: more are a mistake.
const maxKeys = 64

// Labels that keep the values derived from one secret apart.
const (
	labelID   = "rserpool cookie key identifier"
	labelKey  = "rserpool cookie key"
	labelSeal = "rserpool cookie"
)

// Key is what the elements of a pool share. Printed, it shows its identifier only.
type Key struct {
	id  uint32
	key [32]byte // pseudorandom key of HKDF
}

// NewKey makes a key of a random secret of at least MinSecret bytes. Equal secrets
// make equal keys.
func NewKey(secret []byte) (Key, error) {
	if len(secret) < MinSecret {
		return Key{}, fmt.Errorf("cookie: secret of %d bytes, want at least %d", len(secret), MinSecret)
	}
	key, err := hkdf.Key(sha256.New, secret, nil, labelKey, 32)
	if err != nil {
		return Key{}, fmt.Errorf("cookie: %w", err)
	}
	id, err := hkdf.Key(sha256.New, secret, nil, labelID, 4)
	if err != nil {
		return Key{}, fmt.Errorf("cookie: %w", err)
	}
	k := Key{id: binary.BigEndian.Uint32(id)}
	copy(k.key[:], key)
	return k, nil
}

// ID identifies the key in cookies. It tells nothing about the secret.
func (k Key) ID() uint32 { return k.id }

// String is the identifier, such as "cookie key 0x1badcafe".
func (k Key) String() string { return fmt.Sprintf("cookie key 0x%08x", k.id) }

// GoString is String: %#v does not show the key either.
func (k Key) GoString() string { return k.String() }

// ParseKeys reads keys from the text of a file: one secret in Base64 (RFC 4648 §4) on
// each line, such as `openssl rand -base64 32` prints. Empty lines and lines that begin
// with # do not count.
func ParseKeys(text []byte) ([]Key, error) {
	var keys []Key
	sc := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		secret, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return nil, fmt.Errorf("cookie: keys, line %d: not Base64", n) // without the line: it is a secret
		}
		k, err := NewKey(secret)
		if err != nil {
			return nil, fmt.Errorf("cookie: keys, line %d: %w", n, err)
		}
		keys = append(keys, k)
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("cookie: keys: %w", err)
	}
	if len(keys) == 0 {
		return nil, errors.New("cookie: no keys")
	}
	return keys, nil
}
