package main

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"
)

func TestPlansOfThisFolderParse(t *testing.T) {
	for file, least := range map[string]int{"../plan.txt": 15, "../quick.txt": 6} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		plan, err := parsePlan(string(text))
		if err != nil || len(plan) < least {
			t.Errorf("%s: %d tests, %v", file, len(plan), err)
		}
	}
}

func TestPlanLine(t *testing.T) {
	plan, err := parsePlan("# a plan\n1500 bulk 64 1000 @!raw*,tcp # why\n9000 idle 10 @pion\n\n")
	if err != nil || len(plan) != 2 {
		t.Fatal(plan, err)
	}
	for name, want := range map[string][2]bool{
		"usrsctp": {true, false}, "rawudp": {false, false}, "tcp": {false, false}, "pion": {true, true},
	} {
		if plan[0].takes(name) != want[0] || plan[1].takes(name) != want[1] {
			t.Errorf("%s: %v %v, want %v", name, plan[0].takes(name), plan[1].takes(name), want)
		}
	}
	if s := plan[0].String(); s != "bulk 64 1000 (MTU 1500)" || plan[0].size() != 64 {
		t.Error(s, plan[0].size())
	}
	for _, bad := range []string{"1500 bulk", "1500 nomode 1 2", "1500"} {
		if _, err := parsePlan(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestMedianAndRatio(t *testing.T) {
	if m := median([]float64{9, 1, 5}); m != 5 {
		t.Error(m)
	}
	if m := median([]float64{9, 1, 5, 3}); m != 4 {
		t.Error(m)
	}
	if r := ratio(6, 3, 1); r != 2 {
		t.Error("more is better:", r)
	}
	if r := ratio(6, 3, -1); r != 0.5 {
		t.Error("less is better:", r)
	}
	for v, want := range map[float64]string{1234.5: "1234", 12.345: "12.3", 0.001234: "0.00123", 0: "0"} {
		if got := figure(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
	if got := figure(math.NaN()); got != "–" {
		t.Error(got)
	}
}

func TestTableDividesByTheBase(t *testing.T) {
	var b strings.Builder
	r := runner{base: "slow", out: &b}
	one := test{mtu: "1500", mode: []string{"assoc", "1000", "16"}}
	use := []peer{{"fast", nil}, {"slow", nil}, {"broken", nil}}
	r.table(one, use, map[string][]result{
		"fast": {{"assocs": 400.0, "secs": 1.0, "cpu": 0.1, "failed": 0.0}},
		"slow": {{"assocs": 100.0, "secs": 1.0, "cpu": 0.1, "failed": 0.0}},
	})
	for _, want := range []string{
		"### assoc 1000 16 (MTU 1500)", "times better than slow",
		"| fast | 400 | 4 | 250 | 4 | 0 | 1 |", "| slow | 100 | 1 | 1000 | 1 | 0 | 1 |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	b.Reset()
	r.table(test{mtu: "1500", mode: []string{"idle", "9"}}, use[1:2], map[string][]result{"slow": {{"client_rss_per": 7.0}}})
	if want := "| slow | 7 | 1 | – | – | – | – | – | 1 |"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in:\n%s", want, b.String())
	}
	if strings.Contains(b.String(), "broken") {
		t.Error("a peer without results has a row")
	}
}

// The test binary itself plays the peer, see TestMain.
func TestMeasureJoinsBothEnds(t *testing.T) {
	r := runner{limit: time.Minute, addr: "127.0.0.1:1"}
	one := test{mtu: "9000", mode: []string{"bulk", "64", "10"}}
	t.Setenv("PEER_FOR_TEST", "1")
	res, err := r.measure(peer{"self", []string{os.Args[0]}}, one)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[string]float64{"size": 64, "rx_bytes": 640, "msgs": 10, "mtu": 9000} {
		if res.num(k) != want {
			t.Errorf("%s = %v, want %v", k, res[k], want)
		}
	}
	t.Setenv("PEER_FOR_TEST", "fails")
	if _, err := r.measure(peer{"self", []string{os.Args[0]}}, one); err == nil {
		t.Error("a client that fails gave a result")
	}
}

func TestMain(m *testing.M) {
	mode := os.Getenv("PEER_FOR_TEST")
	switch {
	case mode == "":
		os.Exit(m.Run())
	case os.Args[1] == "server":
		fmt.Println("ready")
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
		fmt.Println(`{"rx_bytes":640,"rx_msgs":10}`)
	case mode == "fails":
		os.Exit(1)
	default:
		fmt.Printf(`{"msgs":10,"mtu":%s}`, os.Getenv("ANCHOR_MTU"))
	}
}
