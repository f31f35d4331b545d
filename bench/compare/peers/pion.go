package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/pion/logging"
	"github.com/pion/sctp"
)

// pionStack is pion/sctp over UDP. pion wants a net.Conn for each association: a
// client's is a connected socket, the server's are flows of one shared socket, as
// a server has to do it.
type pionStack struct {
	zeroChecksum, noInterleave bool
}

// pionMTU is at most 8192: pion reads into a buffer of that size.
func pionMTU() uint32 {
	if v, err := strconv.Atoi(os.Getenv("ANCHOR_PION_MTU")); err == nil {
		return uint32(v)
	}
	return uint32(min(8192, ipMTU()-28))
}

func pionBuffer() int {
	if v, err := strconv.Atoi(os.Getenv("ANCHOR_BUF")); err == nil && v > 0 {
		return v
	}
	return 1 << 20
}

func (p *pionStack) options(c net.Conn) (o []sctp.AssociationOption) {
	log := logging.NewDefaultLoggerFactory()
	log.DefaultLogLevel = logging.LogLevelDisabled
	return []sctp.AssociationOption{
		sctp.WithNetConn(c), sctp.WithLoggerFactory(log), sctp.WithMTU(pionMTU()),
		sctp.WithMaxReceiveBufferSize(uint32(pionBuffer())), sctp.WithMaxMessageSize(4 << 20),
		sctp.WithEnableZeroChecksum(p.zeroChecksum), sctp.WithEnableInterleaving(!p.noInterleave),
	}
}

// pionQueue is how many bytes a sender queues before it waits: 4 MiB, divided among
// associations but no less than 256 KiB. It resumes at half of it.
func pionQueue() uint64 { return uint64(max(4<<20/connections, 256<<10)) }

type pionConn struct {
	a     *sctp.Association
	s     *sctp.Stream
	low   chan struct{}
	queue uint64
}

func newPionConn(a *sctp.Association, s *sctp.Stream) *pionConn {
	c := &pionConn{a, s, make(chan struct{}, 1), pionQueue()}
	if s != nil {
		s.SetBufferedAmountLowThreshold(c.queue / 2)
		s.OnBufferedAmountLow(func() {
			select {
			case c.low <- struct{}{}:
			default:
			}
		})
	}
	return c
}

func (c *pionConn) send(b []byte, _ bool) error {
	_, err := c.s.WriteSCTP(b, sctp.PayloadTypeWebRTCBinary)
	for err == nil && c.s.BufferedAmount() > c.queue {
		<-c.low
	}
	return err
}

func (c *pionConn) recv(b []byte) (int, error) {
	n, _, err := c.s.ReadSCTP(b)
	if errors.Is(err, io.ErrShortBuffer) {
		return 0, needBuffer(max(2*len(b), 65536))
	}
	return n, err
}

func (c *pionConn) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	err := c.a.Shutdown(ctx)
	c.a.Close()
	return err
}

func (p *pionStack) dial(addr string) (conn, error) {
	u, err := net.Dial("udp4", addr)
	if err != nil {
		return nil, err
	}
	u.(*net.UDPConn).SetReadBuffer(socketBuffer)
	u.(*net.UDPConn).SetWriteBuffer(socketBuffer)
	var o []sctp.ClientOption
	for _, v := range p.options(u) {
		o = append(o, v)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	a, err := sctp.ClientContext(ctx, o...)
	if err != nil {
		return nil, err
	}
	s, err := a.OpenStream(0, sctp.PayloadTypeWebRTCBinary)
	if err != nil {
		return nil, err
	}
	return newPionConn(a, s), nil
}

func (p *pionStack) listen(addr string, accepted func(conn)) error {
	a, err := net.ResolveUDPAddr("udp4", addr)
	if err != nil {
		return err
	}
	u, err := net.ListenUDP("udp4", a)
	if err != nil {
		return err
	}
	u.SetReadBuffer(socketBuffer)
	u.SetWriteBuffer(socketBuffer)
	d := &demux{u: u, flows: map[netip.AddrPort]*flow{}}
	go d.run(func(f *flow) {
		var o []sctp.ServerOption
		for _, v := range p.options(f) {
			o = append(o, v)
		}
		as, err := sctp.ServerWithOptions(o...)
		if err != nil {
			f.Close()
			return
		}
		s, err := as.AcceptStream()
		if err != nil {
			as.Close()
			return
		}
		accepted(newPionConn(as, s))
	})
	return nil
}

// demux is the smallest thing that lets many pion associations share one socket.
type demux struct {
	u     *net.UDPConn
	mu    sync.Mutex
	flows map[netip.AddrPort]*flow
}

var packetPool = sync.Pool{New: func() any { b := make([]byte, 9216); return &b }}

func (d *demux) run(serve func(*flow)) {
	for {
		p := packetPool.Get().(*[]byte)
		n, from, err := d.u.ReadFromUDPAddrPort((*p)[:9216])
		if err != nil {
			return
		}
		*p = (*p)[:n]
		d.mu.Lock()
		f := d.flows[from]
		if f == nil {
			if n < 13 || (*p)[12] != 1 { // only an INIT opens a flow
				d.mu.Unlock()
				packetPool.Put(p)
				continue
			}
			f = &flow{d: d, to: from, in: make(chan *[]byte, 1024), gone: make(chan struct{})}
			d.flows[from] = f
			go serve(f)
		}
		d.mu.Unlock()
		select {
		case f.in <- p:
		case <-f.gone:
		default: // full: a drop, as a socket buffer would
			packetPool.Put(p)
		}
	}
}

type flow struct {
	d    *demux
	to   netip.AddrPort
	in   chan *[]byte
	gone chan struct{}
	once sync.Once
}

func (f *flow) Read(b []byte) (int, error) {
	select {
	case p := <-f.in:
		n := copy(b, *p)
		packetPool.Put(p)
		return n, nil
	case <-f.gone:
		return 0, io.EOF
	}
}

func (f *flow) Write(b []byte) (int, error) { return f.d.u.WriteToUDPAddrPort(b, f.to) }

func (f *flow) Close() error {
	f.once.Do(func() {
		close(f.gone)
		f.d.mu.Lock()
		delete(f.d.flows, f.to)
		f.d.mu.Unlock()
	})
	return nil
}

func (f *flow) LocalAddr() net.Addr              { return f.d.u.LocalAddr() }
func (f *flow) RemoteAddr() net.Addr             { return net.UDPAddrFromAddrPort(f.to) }
func (f *flow) SetDeadline(time.Time) error      { return nil }
func (f *flow) SetReadDeadline(time.Time) error  { return nil }
func (f *flow) SetWriteDeadline(time.Time) error { return nil }
