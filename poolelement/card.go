package poolelement

import (
	"context"
	"slices"

	"go.uber.org/zap"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/rserpool"
)

// SendBusinessCard recommends to the user in which order to try other elements when this
// one fails, which replaces what was recommended before (RFC 5352 §3.9). Of the elements
// only those count that the user gets from a registrar as well.
func (s *Session) SendBusinessCard(ctx context.Context, order []rserpool.PoolElement) error {
	return s.ch.SendControl(ctx, &asap.BusinessCard{Handle: s.pe.handle, Elements: order})
}

// BusinessCard returns what the user has said about itself as an element of a pool: its
// handle, and in which order its elements should be tried when this one fails. ok is
// false for a user that is none, or as long as Receive or Cookie have not met its card.
func (s *Session) BusinessCard() (handle rserpool.PoolHandle, order []rserpool.PoolElement, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.card == nil {
		return "", nil, false
	}
	return s.card.Handle, slices.Clone(s.card.Elements), true
}

// introduce sends the business card of a new session, RFC 5352 §3.9: "a PE should always
// send" one.
func (s *Session) introduce(ctx context.Context) {
	if s.pe.cfg.card == nil || s.pe.cfg.use != rserpool.UseDataControl {
		return
	}
	order := s.pe.cfg.card(s)
	if len(order) == 0 {
		return
	}
	if err := s.SendBusinessCard(ctx, order); err != nil {
		s.pe.cfg.log.Debug("no business card", zap.Error(err))
	}
}
