// Package cookie seals the state of a session, so that a pool user can carry it from an
// element that failed to the next one (RFC 5352 §3.8) without being able to read,
// change or make it up: "a cookie should be signed by the sending PE […] and verified
// by the receiving PE", whose details the RFC leaves open.
//
//	keys, err := cookie.ParseKeys(file) // the same at all elements of the pool
//	…
//	sealer, err := cookie.NewSealer(&cookie.Config{Pool: "CounterPool", Keys: keys})
//	…
//	pe, err := poolelement.Listen(ctx, "CounterPool", &poolelement.Config{Cookies: sealer, …})
//
// With that, poolelement.Session.SendCookie seals and Session.Cookie opens. A service
// that speaks for itself calls [Sealer.Seal] and [Sealer.Open].
//
// # What is sealed
//
// A cookie is encrypted and authenticated by AES-256-GCM, under a key of its own
// that HKDF-SHA256 (RFC 5869) derives from that of the pool and 16 random bytes: elements
// that share a key and cannot count together do not wear it out. It is bound to the
// pool handle. It says when it was sealed and when it expires, and both are hidden like
// the state. The key's identifier is in the clear, so that keys can be changed:
//
//	4  "RSC1"
//	4  key identifier
//	16 salt
//	12 nonce
//	8  sealed at, ms since 1970, encrypted from here on
//	8  expires at, likewise
//	…  state
//	16 authenticator
//
// # Changing keys
//
// The first of Config.Keys seals; all of them open. To change the key, add the new one
// in the second place at every element, then move it to the first, then, when
// Config.Life has passed, take the old one out: by [Sealer.SetKeys] while it runs, or by a
// new start.
//
// # Replay
//
// A cookie that was valid stays so until it expires: a user may present an older
// cookie in place of the newest, or one cookie to several elements. That cannot be told
// from a fail-over in which the newest cookie was lost with the element, which is
// normal. So state that must not go backwards, such as an account's balance, does not
// belong into a cookie; an identifier of it does. Keep Config.Life short. Cookies are
// not bound to the user's address, which may change between two elements; a service
// that knows its users puts who the user is into the state and compares.
package cookie
