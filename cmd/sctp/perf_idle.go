package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/rserpool/rserpool/sctp"
)

// idle opens count associations and tells what each costs at both ends: memory, and
// with watch the CPU time of all of them in that time, heartbeats for the most part.
func (p *perfClient) idle(count int, watch time.Duration) (report, error) {
	probe, err := p.dial()
	if err != nil {
		return nil, err
	}
	server0, err := p.serverMemory(probe)
	if err != nil {
		return nil, err
	}
	client0 := memory()
	assocs := make([]*sctp.Association, count)
	start := time.Now()
	for i := range assocs {
		if assocs[i], err = p.dial(); err != nil {
			return nil, fmt.Errorf("association %d: %w", i, err)
		}
	}
	r := report{"assocs": count, "open_secs": time.Since(start).Seconds()}
	time.Sleep(300 * time.Millisecond) // the last handshakes settle
	if watch > 0 {
		if err := p.watch(r, probe, watch); err != nil {
			return nil, err
		}
	}
	client1 := memory()
	server1, err := p.serverMemory(probe)
	if err != nil {
		return nil, err
	}
	for k := range client0 {
		r["client_"+k+"_per"] = (client1[k] - client0[k]) / float64(count)
		r["server_"+k+"_per"] = (server1[k] - server0[k]) / float64(count)
	}
	runtime.KeepAlive(assocs)
	return r, nil
}

// watch adds the CPU seconds that both ends take in that time.
func (p *perfClient) watch(r report, probe *sctp.Association, d time.Duration) error {
	// Each answer costs the server a garbage collection, which is not to count.
	server0, err := p.serverMemory(probe)
	if err != nil {
		return err
	}
	client0 := cpuSeconds()
	time.Sleep(d)
	client1 := cpuSeconds()
	server1, err := p.serverMemory(probe)
	if err != nil {
		return err
	}
	r["watch_secs"] = d.Seconds()
	r["client_cpu_secs"] = client1 - client0
	r["server_cpu_secs"] = server1["cpu_before"] - server0["cpu_after"]
	return nil
}

// serverMemory asks the server for its memory figures.
func (p *perfClient) serverMemory(a *sctp.Association) (map[string]float64, error) {
	b, err := p.roundTrip(a, []byte{opMemory}, make([]byte, 512))
	if err != nil {
		return nil, err
	}
	var m map[string]float64
	return m, json.Unmarshal(b, &m)
}
