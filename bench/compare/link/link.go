// Package link is a slow and lossy network path between two network namespaces, with
// a real clock: two TUN devices, and between them a loop that delays packets, drops
// some of them by a seeded generator, and lets no more pass than a line of its rate.
// Whatever speaks IP can use it: SCTP over UDP, TCP, QUIC. It needs Linux and root.
package link

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

// Addresses of the two ends.
const (
	ServerIP = "10.99.0.1"
	ClientIP = "10.99.0.2"
)

// A Spec is what a link does to the packets of each direction.
type Spec struct {
	RTT  time.Duration // half of it in each direction
	Loss float64       // share of packets that are dropped, 0 to 1
	Rate float64       // bits a second
	Seed uint64
}

// queueTime is how long the queue before the line gets, in time to send it: what
// comes when it is full is dropped.
const queueTime = 50 * time.Millisecond

// ParseSpec reads "RTT,LOSS%" with an optional ",RATEMbit", as in "20ms,1%" or
// "100ms,0.5%,100Mbit". The rate is 1000 Mbit/s if it is not given.
func ParseSpec(s string) (Spec, error) {
	sp := Spec{Rate: 1e9}
	bad := fmt.Errorf("link: %q is not RTT,LOSS%%[,RATEMbit]", s)
	f := strings.Split(s, ",")
	if len(f) != 2 && len(f) != 3 {
		return sp, bad
	}
	var err error
	if sp.RTT, err = time.ParseDuration(f[0]); err != nil || sp.RTT < 0 {
		return sp, bad
	}
	loss, ok := strings.CutSuffix(f[1], "%")
	if sp.Loss, err = strconv.ParseFloat(loss, 64); !ok || err != nil || !(sp.Loss >= 0 && sp.Loss <= 100) {
		return sp, bad
	}
	sp.Loss /= 100
	if len(f) == 3 {
		rate, ok := strings.CutSuffix(f[2], "Mbit")
		if sp.Rate, err = strconv.ParseFloat(rate, 64); !ok || err != nil || !(sp.Rate > 0) {
			return sp, bad
		}
		sp.Rate *= 1e6
	}
	return sp, nil
}

// A Link is a path that works until Close.
type Link struct {
	Server, Client *os.File // the network namespaces, as files of /proc/PID/ns/net
	tuns           []*os.File
	done           chan error
}

// Command is command with its arguments as it is to be run in the namespace ns, which
// is l.Server or l.Client.
func (l *Link) Command(ns *os.File, command ...string) []string {
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), ns.Fd())
	return append([]string{"nsenter", "--net=" + path}, command...)
}

// Close takes the path down.
func (l *Link) Close() error {
	var errs []error
	for _, t := range l.tuns {
		errs = append(errs, t.Close())
	}
	for range l.tuns {
		errs = append(errs, <-l.done)
	}
	return errors.Join(append(errs, l.Server.Close(), l.Client.Close())...)
}

// A packet waits for its time.
type packet struct {
	due  time.Time
	data []byte
}

// A direction decides about the packets that go one way.
type direction struct {
	Spec
	random *rand.Rand
	free   time.Time // when the line has sent all that is in its queue
}

func newDirection(s Spec, way uint64) *direction {
	return &direction{Spec: s, random: rand.New(rand.NewPCG(s.Seed, way))}
}

// take says when a packet of n bytes that comes now arrives, and false if it is lost.
func (d *direction) take(now time.Time, n int) (time.Time, bool) {
	if d.free.Before(now) {
		d.free = now
	}
	if d.free.Sub(now) > queueTime {
		return time.Time{}, false
	}
	d.free = d.free.Add(time.Duration(float64(n) * 8 / d.Rate * 1e9))
	return d.free.Add(d.RTT / 2), d.random.Float64() >= d.Loss
}
