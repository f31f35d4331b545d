package pooluser

import (
	"context"
	"time"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/asap/core"
	"github.com/rserpool/rserpool/rserpool"
)

// maxPreferred bounds the fail-over order that an element may recommend.
const maxPreferred = 64

// BusinessCard is what a user that is an element itself tells elements about that.
type BusinessCard struct {
	// Handle is the pool that the user is an element of.
	Handle rserpool.PoolHandle
	// Elements are those of that pool, in the order in which to try them.
	Elements []Element
}

func (c *BusinessCard) message() *asap.BusinessCard {
	return &asap.BusinessCard{Handle: c.Handle, Elements: c.Elements}
}

// introduce sends the business card, if there is one and a control channel
// (RFC 5352 §3.9).
func (s *Session) introduce(ctx context.Context, c *conn) error {
	card := s.pu.cfg.BusinessCard
	if card == nil || c.el.User.Use != rserpool.UseDataControl {
		return nil
	}
	return c.ch.SendControl(ctx, card.message())
}

// onCard takes the business card of an element in, RFC 5352 §3.9. What it says about
// another pool than that of the session is not the element's business. The caller holds
// s.mu.
func (s *Session) onCard(m *asap.BusinessCard) {
	if m.Handle != s.handle {
		return
	}
	// BC2: a preferred order for fail-over.
	s.preferred = s.preferred[:0]
	for _, e := range m.Elements[:min(len(m.Elements), maxPreferred)] {
		s.preferred = append(s.preferred, e.ID)
	}
	// BC1: "if no entry exists in the translation cache […] perform an
	// ASAP_HANDLE_RESOLUTION". An entry of any age is one. Nobody waits for the answer.
	s.pu.agent.Do(func(now time.Time, e *core.Endpoint) { e.Resolve(now, s.handle, anyAge) })
}

// anyAge accepts any cached resolution.
const anyAge = 1<<63 - 1
