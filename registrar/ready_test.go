package registrar_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/rserpool/rserpool/registrar"
)

// Who reads in the log that a registrar is ready is served by it (RFC 5353 §3.2.3 step 5).
func TestTheLogSaysReadyWhenElementsAreServed(t *testing.T) {
	var r *registrar.Registrar
	said := make(chan bool, 1)
	look := func(e zapcore.Entry) error {
		if e.Message == "ready" {
			select {
			case <-r.Ready():
				said <- true
			default:
				said <- false
			}
		}
		return nil
	}
	log, _ := observer.New(zap.InfoLevel)
	r, err := registrar.New(&registrar.Config{Stack: stack(t), Logger: zap.New(log, zap.Hooks(look))})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	require.True(t, <-said)
	cancel()
	require.NoError(t, <-ended)
}
