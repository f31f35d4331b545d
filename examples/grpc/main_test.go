package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
)

// Every call is answered, though two of three servers die.
func TestRun(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	var out bytes.Buffer
	if err := run(ctx, &out); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "says SERVING"); n != 9 {
		t.Errorf("%d calls answered, want 9:\n%s", n, &out)
	}
	servers := map[string]bool{}
	for _, line := range strings.Split(strings.TrimSpace(out.String()), "\n") {
		if _, rest, ok := strings.Cut(line, ": "); ok {
			servers[strings.Fields(rest)[0]] = true
		}
	}
	if len(servers) != 3 {
		t.Errorf("%d servers answered, want 3:\n%s", len(servers), &out)
	}
}
