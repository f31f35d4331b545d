package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/rserpool/rserpool/pooluser"
)

// home returns the home registrar of a server.
func (d *demo) home(ctx context.Context, server string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, demoStep)
	defer cancel()
	for {
		elements, err := d.user.Resolve(ctx, demoPool)
		if err != nil {
			return "", fmt.Errorf("home of server %s: %w", server, err)
		}
		for _, e := range elements {
			if e.ID.String() == server && d.registrars[e.Home.String()] != nil {
				return e.Home.String(), nil
			}
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return "", fmt.Errorf("home of server %s: not known: %w", server, err)
		}
	}
}

// download runs the download and kills others meanwhile. It returns its last event.
func (d *demo) download(ctx context.Context) (event, error) {
	args := append([]string{"get", demoPool + "/" + demoFile, "-o", filepath.Join(d.dir, demoFile), "--progress", "json", "--exit-with-stdin",
		"--buffer", fmt.Sprint(d.buffers()), "--timeout", demoStep.String()}, d.registrarFlags()...)
	rate := int64(float64(d.size) / pace.Seconds())
	args = append(args, "--limit-rate", fmt.Sprint(rate))
	get, err := d.procs.start("download", args...)
	if err != nil {
		return event{}, err
	}
	for steps := d.plot(); ; {
		e, err := get.event(ctx)
		if err != nil {
			return e, err
		}
		d.show.progress(e)
		switch e.Event {
		case "begin":
			d.show.say("the download begins at server %s, pid %d, with no more than %s/s", e.Element, get.pid(), human(rate))
		case "failover":
			d.show.say("server %s goes on at %s, %.0f ms after the last byte", e.Element, human(e.Bytes), e.PauseMS)
		case "done":
			d.show.say("the download is complete after %.2f s", e.Seconds)
			switch {
			case len(steps) > 0:
				return e, errors.New("the download was over before all kills were done")
			case e.Failovers != 2:
				return e, fmt.Errorf("%d fail-overs, not 2", e.Failovers)
			}
			return e, get.finish(ctx)
		}
		if len(steps) > 0 && steps[0].due(e) {
			if err := steps[0].do(ctx, e); err != nil {
				return e, err
			}
			steps = steps[1:]
		}
	}
}

// step is something to do once the download is so far.
type step struct {
	due func(e event) bool
	do  func(ctx context.Context, e event) error
}

// plot is what happens to the download.
func (d *demo) plot() []step {
	at := func(percent int64) func(event) bool {
		return func(e event) bool { return e.Size > 0 && e.Bytes*100 >= e.Size*percent }
	}
	moved := func(e event) bool { return e.Event == "failover" }
	wait := func(context.Context, event) error { return nil }
	return []step{
		{at(25), d.killServer}, {moved, wait},
		{at(50), d.killHome},
		{at(75), d.killServer}, {moved, wait},
	}
}

func percent(e event) int64 { return e.Bytes * 100 / e.Size }

// killServer kills the server that is in use.
func (d *demo) killServer(_ context.Context, e event) error {
	p := d.servers[e.Element]
	if p == nil {
		return fmt.Errorf("element %s is none of ours", e.Element)
	}
	d.show.say("%d %%: SIGKILL to %s, pid %d, which serves", percent(e), p.name, p.pid())
	return p.kill()
}

// killHome kills the home registrar of the server that is in use.
func (d *demo) killHome(ctx context.Context, e event) error {
	id, err := d.home(ctx, e.Element)
	if err != nil {
		return err
	}
	p := d.registrars[id]
	d.show.say("%d %%: SIGKILL to %s, pid %d, home of server %s", percent(e), p.name, p.pid(), e.Element)
	d.killed++
	if err := p.kill(); err != nil {
		return err
	}
	d.watchers.Go(func() { d.watchTakeover(ctx, id, time.Now()) })
	return nil
}

// watchTakeover waits until no server has a registrar as its home any more.
func (d *demo) watchTakeover(ctx context.Context, dead string, since time.Time) {
	for sleep(ctx, 20*time.Millisecond) == nil {
		elements, err := d.user.Resolve(ctx, demoPool)
		if err != nil {
			continue // it looks for another registrar itself
		}
		left := slices.ContainsFunc(elements, func(e pooluser.Element) bool { return e.Home.String() == dead })
		if !left {
			d.show.say("no server has registrar %s as its home any more, %d ms after the kill", dead, time.Since(since).Milliseconds())
			return
		}
	}
}
