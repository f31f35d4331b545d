// Command peers is one executable with every Go stack that ours is compared
// with, behind the interface that README.md defines.
//
//	peers PEER server ADDR              serve until stdin closes, then print one JSON line
//	peers PEER client ADDR MODE ARGS    run one measurement, print one JSON line
//	peers PEER both ADDR MODE ARGS      server and client in one process
//	peers crc                           CRC32c cost by size
//
// Modes: bulk SIZE MS [COUNT] | timed SIZE MS | flood SIZE MS (raw UDP only) |
// pingpong SIZE COUNT | assoc MS PARALLEL | idle COUNT [SECONDS]. ANCHOR_MTU (1500 or 9000) is the IP MTU to respect.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime/pprof"
	"strconv"
	"time"
)

// errUnsupported is exit status 3: the peer has no such mode.
var errUnsupported = errors.New("unsupported")

// peer is one thing to compare. serve returns a function giving the counters so far.
type peer interface {
	serve(addr string) (func() report, error)
	client(addr, mode string, args []int) (report, error)
}

type report map[string]any

var peers = map[string]peer{
	"rawudp":          rawUDP{batch: 1},
	"rawudp-batch":    rawUDP{batch: 64},
	"rawudp-batch32":  rawUDP{batch: 32},
	"rawudp-gso":      rawUDP{batch: 1, gso: true},
	"rawudp-gsobatch": rawUDP{batch: 16, gso: true},
	"rawudp-gsotx":    rawUDP{batch: 1, gso: true, noGRO: true},
	"rawudp-work":     rawUDP{batch: 64, work: true},
	"rawudp-gso-work": rawUDP{batch: 1, gso: true, work: true},
	"tcp":             messagePeer{tcpStack{}},
	"tcp-reno":        messagePeer{tcpStack{congestion: "reno"}},
	"quic":            messagePeer{quicStack{}},
	"pion":            messagePeer{&pionStack{}},
	"pion-nocsum":     messagePeer{&pionStack{zeroChecksum: true}},
	"pion-noidata":    messagePeer{&pionStack{noInterleave: true}},
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		if errors.Is(err, errUnsupported) {
			os.Exit(3)
		}
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 1 && args[0] == "crc" {
		crcTable()
		return nil
	}
	if len(args) < 3 || peers[args[0]] == nil {
		return errors.New("usage: peers PEER server|client|both ADDR [MODE ARGS] | peers crc")
	}
	p, role, addr := peers[args[0]], args[1], args[2]
	if f := os.Getenv("ANCHOR_PROFILE"); f != "" {
		w, err := os.Create(f + "." + args[0] + "." + role)
		if err != nil {
			return err
		}
		defer w.Close()
		if err := pprof.StartCPUProfile(w); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	out := report{}
	if role == "server" || role == "both" {
		stats, err := p.serve(addr)
		if err != nil {
			return err
		}
		if role == "server" {
			fmt.Println("ready")
			io.Copy(io.Discard, os.Stdin)
			return json.NewEncoder(os.Stdout).Encode(stats())
		}
		defer func() {
			for k, v := range stats() {
				out[k] = v
			}
			json.NewEncoder(os.Stdout).Encode(out)
		}()
	}
	if len(args) < 4 {
		return errors.New("client needs MODE")
	}
	var n []int
	for _, a := range args[4:] {
		v, err := strconv.Atoi(a)
		if err != nil {
			return err
		}
		n = append(n, v)
	}
	n = append(n, 0, 0, 0)
	got, err := p.client(addr, args[3], n)
	if err != nil {
		return err
	}
	if role == "both" {
		out = got
		return nil
	}
	return json.NewEncoder(os.Stdout).Encode(got)
}

// ipMTU is the path MTU the peers shall respect.
func ipMTU() int {
	if v, err := strconv.Atoi(os.Getenv("ANCHOR_MTU")); err == nil && v > 0 {
		return v
	}
	return 1500
}

func crcTable() {
	t := crc32.MakeTable(crc32.Castagnoli)
	for _, n := range []int{64, 1024, 1200, 1452, 8952, 65000} {
		b := make([]byte, n)
		var sum uint32
		best := time.Duration(1 << 62)
		loops := 200_000_000/n + 1
		for round := 0; round < 5; round++ {
			t0 := time.Now()
			for i := 0; i < loops; i++ {
				b[0] = byte(i)
				sum ^= crc32.Checksum(b, t)
			}
			best = min(best, time.Since(t0))
		}
		per := float64(best) / float64(loops)
		fmt.Printf("{\"crc32c_size\":%d,\"ns\":%.1f,\"GBps\":%.2f,\"x\":%d}\n", n, per, float64(n)/per, sum&1)
	}
}
