package profile_test

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/rserpool/rserpool/rserpool/profile"
)

var update = flag.Bool("update", false, "rewrite the tables in docs/timers.md")

func TestParseFindsWhatAllLists(t *testing.T) {
	for _, p := range profile.All() {
		got, err := profile.Parse(p.Name)
		require.NoError(t, err)
		require.Equal(t, p, got)
		require.Equal(t, p.Name, p.Registrar.Name)
		require.Equal(t, p.Name, p.Endpoint.Name)
		require.NoError(t, p.Registrar.Validate())
		require.NoError(t, p.Endpoint.Validate())
	}
	_, err := profile.Parse("slow")
	require.ErrorContains(t, err, "slow")
}

// RFC 5352 §7.1, §7.3; RFC 5353 §4.2; RFC 9260 §16.
func TestRFCHasTheValuesOfTheText(t *testing.T) {
	e, r := profile.RFC.Endpoint, profile.RFC.Registrar
	for name, c := range map[string][2]time.Duration{
		"T1-ENRPrequest":       {e.Request, 15 * time.Second},
		"T2-registration":      {e.Registration, 30 * time.Second},
		"T3-deregistration":    {e.Deregistration, 30 * time.Second},
		"T4-reregistration":    {e.Reregistration, 10 * time.Minute},
		"20 seconds less":      {e.LifeMargin, 20 * time.Second},
		"T5-Serverhunt":        {e.Hunt, 10 * time.Second},
		"T7-ENRPoutdate":       {e.Outdate, 5 * time.Second},
		"RETRAN-MAX":           {e.RetransMax, time.Minute},
		"PEER-HEARTBEAT-CYCLE": {r.Heartbeat, 30 * time.Second},
		"T6-Serverannounce":    {r.ServerAnnounce, time.Second},
		"MAX-TIME-LAST-HEARD":  {r.MaxTimeLastHeard, 61 * time.Second},
		"MAX-TIME-NO-RESPONSE": {r.MaxTimeNoResponse, 5 * time.Second},
		"RTO.Initial":          {e.Transport.RTOInitial, time.Second},
		"RTO.Min":              {r.Transport.RTOMin, time.Second},
		"RTO.Max":              {r.Transport.RTOMax, time.Minute},
		"HB.interval":          {e.Transport.HeartbeatInterval, 30 * time.Second},
	} {
		require.Equal(t, c[1], c[0], name)
	}
	require.Equal(t, 2, e.MaxRegAttempts)
	require.Equal(t, 2, e.MaxRequestRetransmits)
	require.Equal(t, 10, e.Transport.AssociationMaxRetrans)
	require.Equal(t, 5, r.Transport.PathMaxRetrans)
	require.Equal(t, time.Second, e.LifeUnit)
	require.Equal(t, profile.LifeSeconds, r.LifeUnit)
	require.Equal(t, profile.ArbitrationLarger, r.Arbitration)
	require.False(t, r.HoldTakeoverAck)
	// §8.4: "an IPv4 multicast address (224.0.1.185) and an IPv6 multicast address
	// (FF0X:0:0:0:0:0:0:133)".
	require.Equal(t, "224.0.1.185:3863 [ff05::133]:3863", e.ASAPGroups)
}

// In each profile: registrations are renewed before they end; a registrar that lives is
// heard twice before it is suspected; a lost association has time to be replaced; no
// acknowledgement is delayed until its sender gives it up.
func TestProfilesAreConsistent(t *testing.T) {
	for _, p := range profile.All() {
		e, r := p.Endpoint, p.Registrar
		require.Less(t, e.ReregisterAfter(e.Life), e.Life, p.Name)
		require.GreaterOrEqual(t, r.MaxTimeLastHeard, 2*r.Heartbeat, p.Name)
		require.Greater(t, r.AdoptTimeout, r.LinkGrace, p.Name)
		require.GreaterOrEqual(t, r.TakeoverGuard, 2*r.MaxTimeNoResponse, p.Name)
		require.Greater(t, r.KeepAliveTimeout, 4*r.Transport.RTOMin, p.Name)
		require.Less(t, 4*r.ServerAnnounce*9/8, e.Outdate, p.Name) // the longest time between two announcements
		for _, a := range []profile.Transport{e.Transport, r.Transport} {
			for _, b := range []profile.Transport{e.Transport, r.Transport} {
				require.GreaterOrEqual(t, a.RTOMin, 2*b.SackDelay, p.Name)
			}
			require.LessOrEqual(t, a.RTOMin, a.RTOInitial, p.Name)
			require.LessOrEqual(t, a.RTOInitial, a.RTOMax, p.Name)
			require.LessOrEqual(t, a.PathMaxRetrans, a.AssociationMaxRetrans, p.Name)
		}
	}
}

// The promise of the fast profile.
func TestFastNoticesWithinASecond(t *testing.T) {
	for _, d := range profile.Fast.Detections() {
		require.Less(t, d.Max, time.Second, d.What)
		require.LessOrEqual(t, d.Mean, d.Max, d.What)
	}
}

// A profile with a timer of no time would spin.
func TestValidate(t *testing.T) {
	r := profile.Fast.Registrar
	r.KeepAlive = 0
	require.ErrorContains(t, r.Validate(), "fast")
	r = profile.Fast.Registrar
	r.MaxHandle = 0
	require.Error(t, r.Validate())
	e := profile.Fast.Endpoint
	e.RetryMin = 0
	require.ErrorContains(t, e.Validate(), "fast")
}

// names are the names of the values in the RFCs.
var names = map[string]string{
	"Heartbeat": "PEER-HEARTBEAT-CYCLE", "MaxTimeLastHeard": "MAX-TIME-LAST-HEARD", "MaxTimeNoResponse": "MAX-TIME-NO-RESPONSE",
	"MaxBadReports": "MAX-BAD-PE-REPORT", "ServerAnnounce": "T6-Serverannounce",
	"Request": "T1-ENRPrequest", "Registration": "T2-registration", "Deregistration": "T3-deregistration",
	"Reregistration": "T4-reregistration", "Hunt": "T5-Serverhunt", "Outdate": "T7-ENRPoutdate", "StaleCache": "stale.cache.value",
	"RetransMax": "RETRAN-MAX", "MaxRegAttempts": "MAX-REG-ATTEMPT", "MaxRequestRetransmits": "MAX-REQUEST-RETRANSMIT",
	"RTOInitial": "RTO.Initial", "RTOMin": "RTO.Min", "RTOMax": "RTO.Max", "HeartbeatInterval": "HB.interval",
	"AssociationMaxRetrans": "Association.Max.Retrans", "PathMaxRetrans": "Path.Max.Retrans", "MaxInitRetransmits": "Max.Init.Retransmits",
}

// rows appends a row for each field of the values, one of each profile.
func rows(b *strings.Builder, prefix string, values []reflect.Value) {
	for i := range values[0].NumField() {
		f := values[0].Type().Field(i)
		if f.Type.Kind() == reflect.Struct {
			var inner []reflect.Value
			for _, v := range values {
				inner = append(inner, v.Field(i))
			}
			rows(b, prefix+f.Name+".", inner)
			continue
		}
		if f.Name == "Name" {
			continue
		}
		fmt.Fprintf(b, "| `%s%s` | %s |", prefix, f.Name, names[f.Name])
		for _, v := range values {
			fmt.Fprintf(b, " %s |", short(v.Field(i).Interface()))
		}
		b.WriteString("\n")
	}
}

// short is a value without noughts: 1m30s, 10m, 150ms.
func short(v any) string {
	s := fmt.Sprint(v)
	if _, ok := v.(time.Duration); ok && strings.Contains(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	return s
}

// tables are the generated part of docs/timers.md.
func tables() string {
	var b strings.Builder
	b.WriteString("## Registrar\n\n")
	table(&b, func(p *profile.Profile) any { return p.Registrar })
	b.WriteString("\n## Endpoint: elements and users\n\n")
	table(&b, func(p *profile.Profile) any { return p.Endpoint })
	b.WriteString("\n## Detection, computed\n\nMean / longest time.\n\n| failure |" + header() + "\n|---|---|---|---|---|\n")
	for i, d := range profile.Default.Detections() {
		fmt.Fprintf(&b, "| %s |", d.What)
		for _, p := range profile.All() {
			d := p.Detections()[i]
			fmt.Fprintf(&b, " %s / %s |", short(d.Mean.Round(10*time.Millisecond)), short(d.Max.Round(10*time.Millisecond)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func header() string {
	s := ""
	for _, p := range profile.All() {
		s += " " + p.Name + " |"
	}
	return s
}

func table(b *strings.Builder, of func(p *profile.Profile) any) {
	b.WriteString("| field | name in the RFCs |" + header() + "\n|---|---|---|---|---|---|\n")
	var values []reflect.Value
	for _, p := range profile.All() {
		values = append(values, reflect.ValueOf(of(&p)))
	}
	rows(b, "", values)
}

// docs/timers.md has the values and times of the code.
func TestDocumentedValues(t *testing.T) {
	const file, begin, end = "../../docs/timers.md", "<!-- values -->\n", "<!-- end of values -->\n"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(text), begin)
	require.True(t, ok)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok)
	want := before + begin + tables() + end + after
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(text), "run the test with -update")
}
