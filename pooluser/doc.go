// Package pooluser is the client side of server pools (RFC 5352): it resolves pool
// handles, opens sessions with elements that the pool's policy selects, and moves a
// session to another element when the one that it is with fails.
//
//	pu, err := pooluser.New(&pooluser.Config{Registrars: []string{"192.0.2.1:3863"}})
//	…
//	defer pu.Close()
//	s, err := pu.Dial(ctx, "EchoPool")
//	if err != nil {
//		return err
//	}
//	defer s.Close()
//	err = s.Exchange(ctx, func(ctx context.Context) error {
//		if err := s.Send(ctx, &sctp.Message{Data: request}); err != nil {
//			return err
//		}
//		m, err := s.Receive(ctx, buf)
//		…
//	}) // with another server if this one fails
//
// Registrars are configured, or found by what they announce by multicast
// ([Config].Discover), or both.
//
// A [Session] has messages, and it is a net.Conn. [PoolUser.DialContext] lets
// net/http and others that dial by name and port use pools:
//
//	client := &http.Client{Transport: &http.Transport{DialContext: pu.DialContext}}
//	resp, err := client.Get("http://WebPool/index.html")
//
// # Fail-over
//
// An element that crashed or that cannot be reached is noticed by its association: how
// fast is decided by Config.Profile. What then happens depends on whether the
// application knows how to go on with another element:
//
//   - [Session.Exchange] runs a request and its answer again, for services whose
//     requests may be repeated.
//   - With [Session.OnFailover] the session moves by itself, too: the function resumes
//     the conversation, and calls that were blocked go on with the new element.
//   - Otherwise calls fail, because the bytes in the middle of a conversation mean
//     nothing to another server, and the application may call [Session.Failover].
//
// The newest cookie that an element has sent (RFC 5352 §3.8) is handed to the next
// element before anything else. What was sent and not answered when an element
// failed may or may not have been processed by it.
//
// # Selection
//
// The policy of the pool (RFC 5356) is applied to the elements that the registrar
// named, which are kept for stale.cache.value. Elements that failed lately come
// last, attempts that go round in a circle have pauses between them that grow, with
// jitter, and unreachable elements are reported to a registrar (RFC 5352 §3.5).
//
// With Config.Race the next element is dialed beside one that does not answer at once,
// and the first of them that does is taken.
//
// # What it does not do
//
// Sessions are of SCTP; of TCP and UDP there are plain connections, by DialContext. Nothing
// is authenticated or encrypted: run TLS where that matters, over [Session.ElementConn], so
// that it begins anew with each element. Multicast announcements of registrars are not listened to.
package pooluser
