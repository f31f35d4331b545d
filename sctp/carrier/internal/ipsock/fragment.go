package ipsock

import "github.com/rserpool/rserpool/sctp/carrier"

var _ carrier.Fragmenter = (*Socket)(nil)

// DontFragment implements carrier.Fragmenter: it is true on Linux unless
// Config.AllowFragmentation says otherwise.
func (s *Socket) DontFragment() bool { return s.whole }

// send writes ds. Linux has no control message for the Don't Fragment bit, so that
// datagrams with MayFragment need a change of the socket and have it to themselves.
func (s *Socket) send(ds []carrier.Datagram) (tally, error) {
	if !s.whole {
		return s.writer.write(ds, true)
	}
	var total tally
	for len(ds) > 0 {
		n := 1
		for n < len(ds) && ds[n].MayFragment == ds[0].MayFragment {
			n++
		}
		t, err := s.sendAlike(ds[:n])
		total.add(&t)
		if err != nil {
			return total, err
		}
		ds = ds[n:]
	}
	return total, nil
}

// sendAlike writes datagrams that all have, or all do not have, MayFragment. A run
// in one piece cannot be fragmented, so there are none then.
func (s *Socket) sendAlike(ds []carrier.Datagram) (t tally, err error) {
	if !ds[0].MayFragment {
		s.writing.RLock()
		defer s.writing.RUnlock()
		return s.writer.write(ds, true)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	s.fragmentable(func() { t, err = s.writer.write(ds, false) })
	return t, err
}
