package profile

import "time"

// The groups of RFC 5352 §8.4, FF0X::133 with site-local scope, and those of rsplib.
const (
	asapGroups       = "224.0.1.185:3863 [ff05::133]:3863"
	enrpGroups       = "224.0.1.185:9901 [ff05::133]:9901"
	asapGroupsRsplib = "239.0.0.50:3863"
	enrpGroupsRsplib = "239.0.0.51:9901"
)

// Default lies between RFC and Fast. It goes by the RFCs and interoperates with
// rsplib's registrar at its defaults, which suspects a peer after five silent seconds;
// some loss of packets on the way does no harm.
var Default = Profile{
	Name: "default",
	Registrar: Registrar{
		Name:      "default",
		Heartbeat: 2 * time.Second, ServerAnnounce: time.Second, MaxTimeLastHeard: 5 * time.Second, MaxTimeNoResponse: 2 * time.Second,
		MentorTimeout: 5 * time.Second, MentorRetry: time.Second, TakeoverGuard: 6 * time.Second,
		DialRetryMin: 500 * time.Millisecond, DialRetryMax: 10 * time.Second,
		KeepAlive: 3 * time.Second, KeepAliveTimeout: 3 * time.Second,
		LinkGrace: 3 * time.Second, AdoptTimeout: 15 * time.Second, ConflictWindow: time.Second,
		MaxBadReports: 3, ReportWindow: 30 * time.Second, NotifyDelay: 50 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
		HoldTakeoverAck: true, MaxHandle: 1024,
		ASAPGroups: asapGroups, ENRPGroups: enrpGroups,
		Transport: Transport{
			RTOInitial: time.Second, RTOMin: 500 * time.Millisecond, RTOMax: 10 * time.Second,
			HeartbeatInterval: 15 * time.Second, SackDelay: 40 * time.Millisecond,
			AssociationMaxRetrans: 8, PathMaxRetrans: 4, MaxInitRetransmits: 8,
			DialTimeout: 5 * time.Second,
		},
	},
	Endpoint: Endpoint{
		Name:                  "default",
		Request:               2 * time.Second,
		Registration:          3 * time.Second,
		Deregistration:        3 * time.Second,
		Reregistration:        20 * time.Second,
		LifeMargin:            20 * time.Second,
		Hunt:                  3 * time.Second,
		RetransMax:            15 * time.Second,
		Outdate:               5 * time.Second,
		MaxRegAttempts:        2,
		MaxRequestRetransmits: 2,
		Life:                  time.Minute,
		LifeUnit:              time.Second,
		StaleCache:            5 * time.Second,
		StaleIfError:          10 * time.Minute,
		NegativeMax:           5 * time.Second,
		RetryMin:              100 * time.Millisecond,
		ReportInterval:        time.Second,
		ASAPGroups:            asapGroups,
		Transport: Transport{
			RTOInitial: 500 * time.Millisecond, RTOMin: 100 * time.Millisecond, RTOMax: time.Second,
			HeartbeatInterval: 500 * time.Millisecond, SackDelay: 40 * time.Millisecond,
			AssociationMaxRetrans: 4, PathMaxRetrans: 2, MaxInitRetransmits: 4,
			DialTimeout: 2 * time.Second,
		},
	},
}

// RFC has the values of RFC 5352 §7, RFC 5353 §4.2 and RFC 9260 §16, and where the
// RFCs name none, values that go with them.
var RFC = Profile{
	Name: "rfc",
	Registrar: Registrar{
		Name:      "rfc",
		Heartbeat: 30 * time.Second, ServerAnnounce: time.Second, MaxTimeLastHeard: 61 * time.Second, MaxTimeNoResponse: 5 * time.Second,
		MentorTimeout: 10 * time.Second, MentorRetry: 2 * time.Second, TakeoverGuard: 15 * time.Second,
		DialRetryMin: time.Second, DialRetryMax: 30 * time.Second,
		KeepAlive: 5 * time.Second, KeepAliveTimeout: 5 * time.Second,
		LinkGrace: 5 * time.Second, AdoptTimeout: 30 * time.Second, ConflictWindow: time.Second,
		MaxBadReports: 3, ReportWindow: time.Minute, NotifyDelay: 100 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
		LifeUnit: LifeSeconds, Arbitration: ArbitrationLarger, MaxHandle: 1024,
		ASAPGroups: asapGroups, ENRPGroups: enrpGroups,
		Transport: Transport{
			RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute,
			HeartbeatInterval: 30 * time.Second, SackDelay: 200 * time.Millisecond,
			AssociationMaxRetrans: 10, PathMaxRetrans: 5, MaxInitRetransmits: 8,
			DialTimeout: 15 * time.Second,
		},
	},
	Endpoint: Endpoint{
		Name:                  "rfc",
		Request:               15 * time.Second,
		Registration:          30 * time.Second,
		Deregistration:        30 * time.Second,
		Reregistration:        10 * time.Minute,
		LifeMargin:            20 * time.Second,
		Hunt:                  10 * time.Second,
		RetransMax:            time.Minute,
		Outdate:               5 * time.Second,
		MaxRegAttempts:        2,
		MaxRequestRetransmits: 2,
		// RFC 5352 names no life. 300 is a plausible number of seconds and not of
		// milliseconds, so that a registrar that guesses the unit guesses right.
		Life:           5 * time.Minute,
		LifeUnit:       time.Second,
		StaleCache:     30 * time.Second,
		StaleIfError:   10 * time.Minute,
		NegativeMax:    10 * time.Second,
		RetryMin:       250 * time.Millisecond,
		ReportInterval: 5 * time.Second,
		ASAPGroups:     asapGroups,
		Transport: Transport{
			RTOInitial: time.Second, RTOMin: time.Second, RTOMax: time.Minute,
			HeartbeatInterval: 30 * time.Second, SackDelay: 200 * time.Millisecond,
			AssociationMaxRetrans: 10, PathMaxRetrans: 5, MaxInitRetransmits: 8,
			DialTimeout: time.Minute,
		},
	},
}

// Rsplib has the defaults of rsplib, its unit of the registration life and its
// arbitration: use it in a scope whose other registrars and elements are rsplib's.
var Rsplib = Profile{
	Name: "rsplib",
	Registrar: Registrar{
		Name:      "rsplib",
		Heartbeat: 2444 * time.Millisecond, ServerAnnounce: time.Second, MaxTimeLastHeard: 5 * time.Second, MaxTimeNoResponse: 5 * time.Second,
		MentorTimeout: 5 * time.Second, MentorRetry: time.Second, TakeoverGuard: 10 * time.Second,
		DialRetryMin: time.Second, DialRetryMax: 10 * time.Second,
		KeepAlive: 5 * time.Second, KeepAliveTimeout: 5 * time.Second,
		LinkGrace: 3 * time.Second, AdoptTimeout: 15 * time.Second, ConflictWindow: time.Second,
		MaxBadReports: 2, ReportWindow: time.Minute, NotifyDelay: 50 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
		LifeUnit: LifeMilliseconds, Arbitration: ArbitrationSmaller, MaxHandle: 32,
		ASAPGroups: asapGroupsRsplib, ENRPGroups: enrpGroupsRsplib,
		Transport: Transport{
			RTOInitial: 2 * time.Second, RTOMin: time.Second, RTOMax: 5 * time.Second,
			HeartbeatInterval: 15 * time.Second, SackDelay: 10 * time.Millisecond,
			AssociationMaxRetrans: 8, PathMaxRetrans: 3, MaxInitRetransmits: 8,
			DialTimeout: 7500 * time.Millisecond,
		},
	},
	Endpoint: Endpoint{
		Name:                  "rsplib",
		Request:               3 * time.Second,
		Registration:          3 * time.Second,
		Deregistration:        3 * time.Second,
		Reregistration:        30 * time.Second,
		LifeMargin:            20 * time.Second,
		Hunt:                  7500 * time.Millisecond,
		RetransMax:            time.Minute,
		Outdate:               5 * time.Second,
		MaxRegAttempts:        1,
		MaxRequestRetransmits: 1,
		Life:                  90 * time.Second,
		LifeUnit:              time.Millisecond,
		StaleCache:            0,
		StaleIfError:          10 * time.Minute,
		NegativeMax:           5 * time.Second,
		RetryMin:              250 * time.Millisecond,
		ReportInterval:        time.Second,
		ASAPGroups:            asapGroupsRsplib,
		Transport: Transport{
			RTOInitial: 2 * time.Second, RTOMin: time.Second, RTOMax: 5 * time.Second,
			HeartbeatInterval: 15 * time.Second, SackDelay: 200 * time.Millisecond,
			AssociationMaxRetrans: 8, PathMaxRetrans: 3, MaxInitRetransmits: 8,
			DialTimeout: 5 * time.Second,
		},
	},
}

// Fast notices within a second that an element, a registrar or the other end of a
// session is dead. It suits a local network with round-trip times up to 50 ms. RTO.Max is
// so short that everything is sent six or seven times before its loss is taken for a
// death: with 2 % loss of packets that happens to one of many elements in years.
var Fast = Profile{
	Name: "fast",
	Registrar: Registrar{
		Name:      "fast",
		Heartbeat: 150 * time.Millisecond, ServerAnnounce: 250 * time.Millisecond, MaxTimeLastHeard: 450 * time.Millisecond, MaxTimeNoResponse: 300 * time.Millisecond,
		MentorTimeout: time.Second, MentorRetry: 100 * time.Millisecond, TakeoverGuard: time.Second,
		DialRetryMin: 50 * time.Millisecond, DialRetryMax: time.Second,
		KeepAlive: 240 * time.Millisecond, KeepAliveTimeout: 580 * time.Millisecond,
		LinkGrace: 400 * time.Millisecond, AdoptTimeout: 3 * time.Second, ConflictWindow: 200 * time.Millisecond,
		MaxBadReports: 3, ReportWindow: 10 * time.Second, NotifyDelay: 10 * time.Millisecond, DistanceStep: 50 * time.Millisecond,
		HoldTakeoverAck: true, MaxHandle: 1024,
		ASAPGroups: asapGroups, ENRPGroups: enrpGroups,
		Transport: Transport{
			RTOInitial: 100 * time.Millisecond, RTOMin: 50 * time.Millisecond, RTOMax: 100 * time.Millisecond,
			HeartbeatInterval: 500 * time.Millisecond, SackDelay: 20 * time.Millisecond,
			// An association that breaks gives its elements LinkGrace: keep-alives are to
			// find out first.
			AssociationMaxRetrans: 12, PathMaxRetrans: 3, MaxInitRetransmits: 8,
			DialTimeout: time.Second,
		},
	},
	Endpoint: Endpoint{
		Name:                  "fast",
		Request:               400 * time.Millisecond,
		Registration:          500 * time.Millisecond,
		Deregistration:        500 * time.Millisecond,
		Reregistration:        5 * time.Second,
		LifeMargin:            5 * time.Second,
		Hunt:                  500 * time.Millisecond,
		RetransMax:            5 * time.Second,
		Outdate:               3 * time.Second,
		MaxRegAttempts:        2,
		MaxRequestRetransmits: 2,
		Life:                  30 * time.Second,
		LifeUnit:              time.Second,
		StaleCache:            time.Second,
		StaleIfError:          10 * time.Minute,
		NegativeMax:           time.Second,
		RetryMin:              20 * time.Millisecond,
		ReportInterval:        500 * time.Millisecond,
		ASAPGroups:            asapGroups,
		Transport: Transport{
			RTOInitial: 100 * time.Millisecond, RTOMin: 50 * time.Millisecond, RTOMax: 100 * time.Millisecond,
			HeartbeatInterval: 100 * time.Millisecond, SackDelay: 20 * time.Millisecond,
			AssociationMaxRetrans: 6, PathMaxRetrans: 1, MaxInitRetransmits: 5,
			DialTimeout: 500 * time.Millisecond,
		},
	},
}
