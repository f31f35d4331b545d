package fuzz

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/asap"
	"github.com/rserpool/rserpool/enrp"
	"github.com/rserpool/rserpool/internal/tlv"
	"github.com/rserpool/rserpool/rserpool"
)

// rserpoolSeeds returns the messages of a protocol, "asap" or "enrp", that the
// captures of rsplib hold.
func rserpoolSeeds(f *testing.F, proto string) [][]byte {
	f.Helper()
	text, err := os.ReadFile("../rserpool/testdata/messages.txt")
	require.NoError(f, err)
	var all [][]byte
	for line := range strings.Lines(string(text)) {
		if h, ok := strings.CutPrefix(strings.TrimSpace(line), proto+" "); ok && !strings.HasPrefix(line, "\t") {
			b, err := hex.DecodeString(h)
			require.NoError(f, err)
			all = append(all, b)
		}
	}
	require.NotEmpty(f, all)
	return all
}

// rserpoolMessage is what asap.Message and enrp.Message have in common.
type rserpoolMessage interface {
	AppendTo(b []byte) []byte
	Validate() error
	ReportCauses() []rserpool.Cause
	String() string
}

// checkMessage holds an accepted message to the promises of the codecs: it can be
// encoded, that can be decoded to the same, and what its sender is told fits into
// an error message.
func checkMessage[M rserpoolMessage](t *testing.T, m M, decode func([]byte) (M, error), report func([]rserpool.Cause) []byte) {
	require.NoError(t, m.Validate())
	once := m.AppendTo(nil)
	require.NotEmpty(t, once)
	require.Zero(t, len(once)%4)
	again, err := decode(once)
	require.NoError(t, err)
	require.Nil(t, again.ReportCauses())
	require.Equal(t, m.String(), again.String())
	require.Equal(t, once, again.AppendTo(nil))
	for n := max(0, len(once)-3); n < len(once); n++ {
		if short, err := decode(once[:n]); err == nil {
			require.Equal(t, once, short.AppendTo(nil), "only padding was cut")
		}
	}
	checkReport(t, m.ReportCauses(), report)
}

// checkReport holds what goes back to a sender to its bounds.
func checkReport(t *testing.T, causes []rserpool.Cause, report func([]rserpool.Cause) []byte) {
	if len(causes) == 0 {
		return
	}
	require.LessOrEqual(t, len(causes), 17)
	require.NoError(t, rserpool.ValidateCauses(causes))
	require.NotEmpty(t, report(causes))
}

// checkError holds a refusal to its promises.
func checkError(t *testing.T, err error, report func([]rserpool.Cause) []byte) {
	var e *rserpool.Error
	require.ErrorAs(t, err, &e)
	require.NotZero(t, e.Kind)
	checkReport(t, e.Causes, report)
}

// FuzzASAP: the decoder takes any bytes; what it accepts makes a stable round trip.
func FuzzASAP(f *testing.F) {
	for _, b := range rserpoolSeeds(f, "asap") {
		f.Add(b)
	}
	report := func(c []rserpool.Cause) []byte { return (&asap.Error{Causes: c}).AppendTo(nil) }
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := asap.Decode(b)
		if err != nil {
			checkError(t, err, report)
			return
		}
		checkMessage(t, m, asap.Decode, report)
	})
}

// FuzzENRP: the decoder takes any bytes; what it accepts makes a stable round trip.
func FuzzENRP(f *testing.F) {
	for _, b := range rserpoolSeeds(f, "enrp") {
		f.Add(b)
	}
	report := func(c []rserpool.Cause) []byte { return (&enrp.Error{Causes: c}).AppendTo(nil) }
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := enrp.Decode(b)
		if err != nil {
			checkError(t, err, report)
			return
		}
		checkMessage(t, m, enrp.Decode, report)
	})
}

// FuzzPolicy: a policy parameter with this body, and a policy with this text.
func FuzzPolicy(f *testing.F) {
	for _, proto := range []string{"asap", "enrp"} {
		for _, b := range rserpoolSeeds(f, proto) {
			for i := 4; i+8 <= len(b); i += 4 {
				if b[i] == 0 && b[i+1] == byte(rserpool.ParamPolicy) {
					r := tlv.NewReader(b[i:])
					if p, ok := r.Next(); ok {
						f.Add(p.Value, "RoundRobin")
					}
				}
			}
		}
	}
	for _, s := range []string{
		"WeightedRoundRobin:3", "prio:10", "LUD:0.25 load=0.5", "LeastUsedDPF:0.5", "0x80000007 raw=0102", "WRAND:x", "RLU:NaN",
	} {
		f.Add([]byte{0x40, 0, 0, 1, 0, 0, 0, 7}, s)
	}
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		if len(body) <= rserpool.MaxPolicyBody+4 {
			p := rserpool.NewParamReader(tlv.Append(nil, uint16(rserpool.ParamPolicy), body))
			if pol := p.Policy(); p.Finish() == nil {
				checkPolicy(t, pol)
				require.Equal(t, tlv.Append(nil, uint16(rserpool.ParamPolicy), body), pol.AppendTo(nil))
			}
		}
		if pol, err := rserpool.ParsePolicy(text); err == nil {
			checkPolicy(t, pol)
		}
	})
}

// checkPolicy holds a valid policy to its round trips in bytes and in text.
func checkPolicy(t *testing.T, pol rserpool.Policy) {
	require.NoError(t, pol.Validate())
	p := rserpool.NewParamReader(pol.AppendTo(nil))
	again := p.Policy()
	require.Nil(t, p.Finish())
	require.True(t, pol.Equal(again))
	parsed, err := rserpool.ParsePolicy(pol.String())
	require.NoError(t, err)
	require.True(t, pol.Equal(parsed), "%s", pol)
}
