package main

import (
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func readPlan(t *testing.T) []test {
	t.Helper()
	text, err := os.ReadFile("../plan.txt")
	require.NoError(t, err)
	plan, err := parsePlan(string(text))
	require.NoError(t, err)
	return plan
}

func TestPlanLine(t *testing.T) {
	plan, err := parsePlan("# a plan\n[Head]\na 1500 bulk 64 1000 rounds=2 together @!raw*,tcp # why\nb 9000 idle 10 @pion\n\nc 1500 timed 9 9 link=20ms,1%")
	require.NoError(t, err)
	require.Len(t, plan, 3)
	for name, want := range map[string][2]bool{
		"usrsctp": {true, false}, "rawudp": {false, false}, "tcp": {false, false}, "pion": {true, true},
	} {
		require.Equal(t, want, [2]bool{plan[0].takes(name), plan[1].takes(name)}, name)
	}
	require.Equal(t, "bulk 64 1000 (MTU 1500)", plan[0].String())
	require.Equal(t, "timed 9 9 (RTT 20ms, 1 % lost)", plan[2].String())
	require.Equal(t, 64.0, plan[0].size())
	require.Equal(t, 2, plan[0].rounds)
	require.True(t, plan[0].together)
	require.Equal(t, "Head", plan[1].section)
	for _, bad := range []string{
		"a 1500 bulk", "a 1500 nomode 1 2", "a", "[x", "a x bulk 1 2", "a 1500 bulk 1 1 rounds=0",
		"a 1500 bulk 1 1 rounds=x", "a 1500 timed 1 1 link=fast", "a 1500 bulk 1 1\na 1500 bulk 2 2",
	} {
		_, err := parsePlan(bad)
		require.Error(t, err, bad)
	}
}

// What a measurement is planned to take bounds how long it may take.
func TestDuration(t *testing.T) {
	for mode, want := range map[string]time.Duration{
		"bulk 64 700": 700 * time.Millisecond, "bulk 64 700 16": 700 * time.Millisecond, "timed 1 3000": 3 * time.Second,
		"assoc 700 16": 700 * time.Millisecond, "idle 1000": 0, "idle 1000 65": 65 * time.Second, "pingpong 64 5000": 0,
	} {
		require.Equal(t, want, test{mode: strings.Fields(mode)}.duration(), mode)
	}
}

func TestChoose(t *testing.T) {
	_, plan := sample(t)
	ids := func(prefixes string) string {
		kept, err := choose(plan, prefixes)
		require.NoError(t, err)
		var s []string
		for _, k := range kept {
			s = append(s, k.id)
		}
		return strings.Join(s, " ")
	}
	require.Equal(t, "bulk pingpong assoc idle", ids(""))
	require.Equal(t, "bulk assoc", ids("bu,assoc"))
	require.Equal(t, "extra-x", ids("extra"))
	_, err := choose(plan, "nothing,")
	require.ErrorContains(t, err, "nothing")
}

func TestPeersOfTheCommandLine(t *testing.T) {
	peers, err := parsePeers([]string{"a=bin/a --flag=1", "b=b"})
	require.NoError(t, err)
	require.Equal(t, []peer{{"a", []string{"bin/a", "--flag=1"}}, {"b", []string{"b"}}}, peers)
	for _, bad := range [][]string{nil, {"a"}, {"a= "}} {
		_, err := parsePeers(bad)
		require.Error(t, err, bad)
	}
}

// The targets of this folder fit its plan.
func TestTargetsOfThisFolderParse(t *testing.T) {
	text, err := os.ReadFile("../targets.txt")
	require.NoError(t, err)
	goals, err := parseGoals(string(text), readPlan(t))
	require.NoError(t, err)
	require.Greater(t, len(goals), 30)
}

func TestGoals(t *testing.T) {
	got, plan := sample(t)
	judge := func(line string) verdict {
		goals, err := parseGoals(line+" # why\n\n", plan)
		require.NoError(t, err)
		require.Len(t, goals, 1)
		return goals[0].judge(got)
	}
	for line, want := range map[string]struct {
		met         bool
		ratio, want string
	}{
		"bulk rate fast >= 5 slow":      {true, "5×", "≥ 5×"},
		"bulk rate fast >= 5.1 slow":    {false, "5×", "≥ 5.1×"},
		"bulk cpu fast <= 1/10 slow":    {true, "1/10", "≤ 1/10"},
		"bulk cpu fast <= 1/11 slow":    {false, "1/10", "≤ 1/11"},
		"bulk msgs fast >= 12500000":    {true, "", "≥ 12,500,000"},
		"assoc rate slow >= 101":        {false, "", "≥ 101"},
		"idle client_rss slow <= 7":     {true, "", "≤ 7"},
		"assoc rate slow <= 0.25 fast":  {true, "1/4", "≤ 0.25×"},
		"assoc rate fast >= 4.0 slow":   {true, "4×", "≥ 4.0×"},
		"assoc cpu fast <= 1/4 slow":    {true, "1/4", "≤ 1/4"},
		"assoc failed fast <= 0":        {true, "", "≤ 0"},
		"bulk rate slow >= 1/5 fast":    {true, "1/5", "≥ 1/5"},
		"bulk rate slow >= 0.2001 fast": {false, "1/5", "≥ 0.2001×"},
	} {
		v := judge(line)
		require.True(t, v.measured(), line)
		require.Equal(t, want.met, v.met(), line)
		require.Equal(t, want.ratio, v.ratio(), line)
		require.Equal(t, want.want, v.goal.want(), line)
	}
	for _, line := range []string{"pingpong p50 fast <= 1 slow", "idle client_rss slow <= 1 fast", "assoc rate broken >= 1 slow"} {
		require.False(t, judge(line).measured(), line)
	}
	var b strings.Builder
	goals, err := parseGoals("bulk rate fast >= 5 slow\nbulk rate fast >= 6 slow\npingpong p50 fast <= 1 slow\nidle client_rss fast <= 1\n", plan)
	require.NoError(t, err)
	verdicts(&b, goals, got)
	require.Contains(t, b.String(), "1 of 2 measured targets are met.")
	require.Contains(t, b.String(), "| bulk | Gbit/s | fast | 10 | slow | 2 | 5× | ≥ 5× | **yes** |")
	require.Contains(t, b.String(), "| no |")
	require.Contains(t, b.String(), "| idle | client RSS B | fast | – |  | – |  | ≤ 1 | not measured |")
	require.NotContains(t, b.String(), "pingpong", "no test of this run")
}

func TestBadGoals(t *testing.T) {
	plan, err := parsePlan("bulk 1500 bulk 1 1 @a,b")
	require.NoError(t, err)
	for line, why := range map[string]string{
		"bulk rate a":           "not TEST FIGURE",
		"none rate a >= 1":      "no such test",
		"bulk none a >= 1":      "no such figure",
		"bulk rate a == 1":      "neither",
		"bulk rate a >= x":      "no number",
		"bulk rate a >= 1/0":    "no number",
		"bulk rate c >= 1":      "not for c",
		"bulk rate a >= 1 c":    "not for c",
		"bulk rate a >= 1 b ab": "not TEST FIGURE",
	} {
		_, err := parseGoals(line, plan)
		require.ErrorContains(t, err, why, line)
	}
	v, err := fraction("1/10")
	require.NoError(t, err)
	require.InDelta(t, 0.1, v, 1e-12)
	require.False(t, math.IsNaN(v))
}
