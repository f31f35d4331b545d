package registrar

import (
	"strconv"
	"strings"

	"github.com/rserpool/rserpool/registrar/core"
)

// sentences says what happened: {pe} of {pool}, {reg} the registrar, {by} another one, {n} a
// number. The reason follows.
var sentences = map[core.EventKind]string{
	core.EventReady:               "ready",
	core.EventIdentifier:          "new identifier {reg}",
	core.EventRegistered:          "element {pe} registered in {pool}",
	core.EventRemoved:             "element {pe} removed from {pool}",
	core.EventMoved:               "element {pe} of {pool} has its home at {reg}",
	core.EventRejected:            "element {pe} of {pool} refused",
	core.EventPeerUp:              "registrar {reg} is a peer",
	core.EventPeerSuspect:         "registrar {reg} does not answer",
	core.EventPeerDown:            "registrar {reg} is gone",
	core.EventResync:              "elements of {reg} differ from what it announces",
	core.EventResynced:            "elements of {reg} fetched again ({n})",
	core.EventTakeoverStarted:     "take-over of {reg} begins",
	core.EventTakeoverAborted:     "take-over of {reg} given up",
	core.EventTakeover:            "took {n} elements over from {reg}",
	core.EventTakenOver:           "registrar {by} took over {reg}",
	core.EventElementUnresponsive: "element {pe} of {pool} does not answer",
	core.EventRefused:             "registrar {reg} asked for what it may not have",
	core.EventDrained:             "drained",
}

// sentence says what happened.
func sentence(e *core.Event) string {
	s, ok := sentences[e.Kind]
	if !ok {
		return e.String()
	}
	s = strings.NewReplacer("{pe}", e.PE.String(), "{pool}", e.Handle.String(), "{reg}", e.Registrar.String(),
		"{by}", e.By.String(), "{n}", strconv.Itoa(e.Count)).Replace(s)
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}
