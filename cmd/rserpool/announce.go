package main

import (
	"github.com/spf13/cobra"

	"github.com/rserpool/rserpool/internal/multicast"
	"github.com/rserpool/rserpool/registrar"
)

// announceOptions are the flags about multicast announcements.
type announceOptions struct {
	interfaces []string
	ttl        int
	asap, enrp []string
}

// addListen adds the flags of who listens to announcements for elements and users.
func (o *announceOptions) addListen(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.interfaces, "announce-interface", nil, "`name` of an interface for announcements (repeatable; default all)")
	f.StringArrayVar(&o.asap, "announce-asap", nil, "multicast `group`:PORT of announcements for elements and users (repeatable; default the profile's)")
	noFiles(c, "announce-interface", "announce-asap")
}

// add adds the flags of registrars.
func (o *announceOptions) add(c *cobra.Command) {
	o.addListen(c)
	f := c.Flags()
	f.StringArrayVar(&o.enrp, "announce-enrp", nil, "multicast `group`:PORT of announcements for registrars (repeatable; default the profile's)")
	f.IntVar(&o.ttl, "announce-ttl", multicast.DefaultTTL, "`routers` that announcements may pass")
	noFiles(c, "announce-enrp", "announce-ttl")
}

// check checks the groups.
func (o *announceOptions) check() error {
	for name, list := range map[string][]string{"--announce-asap": o.asap, "--announce-enrp": o.enrp} {
		if _, err := multicast.ParseGroups(list); err != nil {
			return usage("%s: %s", name, oneLine(err))
		}
	}
	return nil
}

// announcements is what registrar does by multicast, nil for nothing.
func (o *registrarOptions) announcements() (*registrar.Announcements, error) {
	if o.announce != "on" && o.announce != "off" {
		return nil, usage("--announce: %q is neither on nor off", o.announce)
	}
	if err := o.announced.check(); err != nil {
		return nil, err
	}
	if o.announced.ttl < 1 || o.announced.ttl > 255 {
		return nil, usage("--announce-ttl: %d is not within 1 to 255", o.announced.ttl)
	}
	if o.announce == "off" {
		return nil, nil
	}
	a := &o.announced
	return &registrar.Announcements{Interfaces: a.interfaces, TTL: a.ttl, ASAP: a.asap, ENRP: a.enrp}, nil
}
