package sctp

import (
	"fmt"
	"net/netip"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/rserpool/rserpool/sctp/core"
	"github.com/rserpool/rserpool/sctp/wire"
)

// trace turns the hooks of the protocol machine into log entries at debug level.
// It is nil unless somebody reads them. The peer is known for dialed associations
// only: all that a listener accepts share their hooks. Packets are not logged, and
// nothing that is secret (keys, cookies, tags) or user data.
func (s *Stack) trace(port uint16, peer *Addr) *core.Trace {
	if !s.log.Core().Enabled(zapcore.DebugLevel) {
		return nil
	}
	log := s.log.With(zap.Uint16("port", port))
	if peer != nil {
		log = log.With(zap.Stringer("peer", peer))
	}
	return &core.Trace{
		StateChange: func(from, to core.State) {
			log.Debug("state", zap.Stringer("from", from), zap.Stringer("to", to))
		},
		T3Expired: func(to netip.AddrPort) {
			log.Debug("T3-rtx expired", zap.Stringer("path", to))
		},
		PathChange: func(to netip.AddrPort, state core.PathState) {
			log.Debug("path", zap.Stringer("path", to), zap.String("state", fmt.Sprint(state)))
		},
		ProtocolFail: func(cause wire.CauseCode, why string) {
			log.Debug("protocol violation", zap.Stringer("cause", cause), zap.String("why", why))
		},
		Drop: func(why string) {
			log.Debug("dropped", zap.String("why", why))
		},
	}
}
