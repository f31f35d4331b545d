package link

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Open makes two network namespaces and the path between them.
func Open(s Spec) (*Link, error) {
	l := &Link{done: make(chan error, 2)}
	for _, end := range []struct {
		ip string
		ns **os.File
	}{{ServerIP, &l.Server}, {ClientIP, &l.Client}} {
		ns, tun, err := newEnd(end.ip)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("link: %w", err), l.abandon())
		}
		*end.ns, l.tuns = ns, append(l.tuns, tun)
	}
	go func() { l.done <- carry(l.tuns[0], l.tuns[1], newDirection(s, 0)) }()
	go func() { l.done <- carry(l.tuns[1], l.tuns[0], newDirection(s, 1)) }()
	return l, nil
}

// abandon closes what of a link was opened.
func (l *Link) abandon() error {
	var errs []error
	for _, f := range append(l.tuns, l.Server, l.Client) {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}

// newEnd makes a namespace with a TUN device of address ip.
func newEnd(ip string) (ns, tun *os.File, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is in a namespace of its own now: it is not unlocked, so that it
		// ends with the goroutine.
		runtime.LockOSThread()
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			err = fmt.Errorf("new network namespace: %w", err)
			return
		}
		if ns, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())); err != nil {
			return
		}
		if tun, err = newTUN(ip); err != nil {
			err = errors.Join(err, ns.Close())
		}
	}()
	<-done
	return ns, tun, err
}

// newTUN makes the device tun0 with address ip, and brings it and the loopback up.
func newTUN(ip string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq("tun0")
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err == nil {
		err = configure("tun0", ip)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("tun0: %w", err)
	}
	return os.NewFile(uintptr(fd), "tun0"), nil
}

// configure gives a device its address in a /24 and brings it and lo up.
func configure(device, ip string) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	set := func(device string, what uint, fill func(*unix.Ifreq) error) error {
		req, err := unix.NewIfreq(device)
		if err == nil {
			err = fill(req)
		}
		if err == nil {
			err = unix.IoctlIfreq(s, what, req)
		}
		return err
	}
	address := netip.MustParseAddr(ip).As4()
	up := func(r *unix.Ifreq) error { r.SetUint16(unix.IFF_UP | unix.IFF_RUNNING); return nil }
	return errors.Join(
		set(device, unix.SIOCSIFADDR, func(r *unix.Ifreq) error { return r.SetInet4Addr(address[:]) }),
		set(device, unix.SIOCSIFNETMASK, func(r *unix.Ifreq) error { return r.SetInet4Addr([]byte{255, 255, 255, 0}) }),
		set(device, unix.SIOCSIFMTU, func(r *unix.Ifreq) error { r.SetUint32(1500); return nil }),
		// The queue that counts is the one of the line: the device's own shall not drop.
		set(device, unix.SIOCSIFTXQLEN, func(r *unix.Ifreq) error { r.SetUint32(20000); return nil }),
		set(device, unix.SIOCSIFFLAGS, up),
		set("lo", unix.SIOCSIFFLAGS, up),
	)
}

// carry moves packets from one device to the other until they are closed.
func carry(from, to *os.File, d *direction) error {
	waiting := make(chan packet, 1<<16)
	delivered := make(chan error, 1)
	go func() { delivered <- deliver(to, waiting) }()
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			close(waiting)
			if errors.Is(err, os.ErrClosed) {
				err = nil
			}
			return errors.Join(err, <-delivered)
		}
		due, ok := d.take(time.Now(), n)
		if !ok {
			continue
		}
		select {
		case waiting <- packet{due, append([]byte(nil), buf[:n]...)}:
		default: // more than any queue here holds
		}
	}
}

// deliver writes each packet when its time has come. It sleeps in a thread of its own:
// the timers of the Go runtime are up to a millisecond late in a process that is idle.
func deliver(to *os.File, waiting <-chan packet) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	precise()
	for p := range waiting {
		for wait := time.Until(p.due); wait > 0; wait = time.Until(p.due) {
			ts := unix.NsecToTimespec(int64(wait))
			_ = unix.Nanosleep(&ts, nil) // a signal ends it early
		}
		if _, err := to.Write(p.data); err != nil {
			if errors.Is(err, os.ErrClosed) {
				err = nil
			}
			if err != nil && !errors.Is(err, unix.EIO) { // EIO: the other end is down
				return err
			}
		}
	}
	return nil
}

// precise makes the sleep of this thread end at its time, not up to 50 µs later.
func precise() {
	_ = unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}
