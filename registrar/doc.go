// Package registrar is the registrar of a reliable server pool (RFC 5351): pool
// elements register with it by ASAP (RFC 5352), pool users resolve pool handles,
// and several registrars keep one handlespace by ENRP (RFC 5353).
//
//	r, err := registrar.New(&registrar.Config{Listen: "127.0.0.1@9899", Profile: core.ProfileFast})
//	if err != nil {
//		log.Fatal(err)
//	}
//	go http.ListenAndServe("127.0.0.1:8080", r.Handler()) // status page
//	err = r.Run(ctx)                                       // until ctx ends; then it drains
//
// The protocol is in package registrar/core; this package gives it SCTP
// associations over UDP, a clock, logs and a status page.
//
// Registrars, elements and users are told of each other by configuration, or find each
// other by multicast announcements (Config.Announce), or both.
package registrar
