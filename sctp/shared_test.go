package sctp

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/sctp/congestion"
)

// Associations with one Config refer to one set of parameters, until it changes.
func TestParametersAreShared(t *testing.T) {
	s := loopbackStack(t)
	c := &Config{MTU: 1400, Congestion: Cubic}
	_, first, err := s.parameters(c)
	require.NoError(t, err)
	_, again, err := s.parameters(c)
	require.NoError(t, err)
	require.Same(t, first, again)
	c.MTU = 1300
	_, changed, err := s.parameters(c)
	require.NoError(t, err)
	require.Equal(t, 1300, changed.MTU)
	require.Equal(t, 1400, first.MTU)
	_, other, err := s.parameters(&Config{MTU: 1300})
	require.NoError(t, err)
	require.NotSame(t, changed, other)
	_, _, err = s.parameters(&Config{MTU: 1})
	require.Error(t, err)
	_, none, err := s.parameters(nil)
	require.NoError(t, err)
	require.Equal(t, 1500, none.MTU)
}

// What one association changes is its own.
func TestSharedParametersStayAsTheyAre(t *testing.T) {
	client, _, to := serial(t)
	cfg := &Config{}
	a, err := client.Dial(t.Context(), to, cfg)
	require.NoError(t, err)
	defer a.Close()
	p := a.Parameters()
	before := p
	p.SackFrequency = 7
	require.NoError(t, a.SetParameters(p))
	require.Equal(t, 7, a.Parameters().SackFrequency)
	_, machine, err := client.parameters(cfg)
	require.NoError(t, err)
	require.Equal(t, before.SackFrequency, machine.SackFrequency)
}

// Every field of a Config makes a difference.
func TestConfigsAreComparedWhole(t *testing.T) {
	plain := reflect.TypeFor[Config]()
	for i := range plain.NumField() {
		var a, b Config
		require.True(t, sameConfig(&a, &b))
		f := reflect.ValueOf(&b).Elem().Field(i)
		switch f.Kind() {
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Int, reflect.Int64:
			f.SetInt(1)
		case reflect.Uint8, reflect.Uint16, reflect.Uint32:
			f.SetUint(1)
		case reflect.Func:
			f.Set(reflect.ValueOf(congestion.Algorithm(Reno)))
		default:
			t.Fatalf("%s: is a %v compared?", plain.Field(i).Name, f.Kind())
		}
		require.False(t, sameConfig(&a, &b), plain.Field(i).Name)
	}
}
