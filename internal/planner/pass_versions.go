package planner

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/levada-io/levada/codec"
	"github.com/levada-io/levada/codec/prefix"
	"github.com/levada-io/levada/plan"
)

// versions tells the codecs whose messages name their schema which ones a stream has: a
// parse those of the source, a serialize those of the sinks behind it.
func versions(pl *Planned) (ps Problems) {
	for _, n := range pl.nodes {
		c, ok := n.impl.(codec.Registered)
		if !ok {
			continue
		}
		var known []codec.Version
		if n.lang == encode {
			var streams []string
			if known, streams = pl.taken(n); len(known) == 0 && len(streams) > 1 {
				ps = append(ps, n.problem("schema-mismatch", "a serialize for each, behind the broadcast or route",
					"expected a schema that all streams behind it have, got none that is the same in %s", strings.Join(streams, ", ")))
				continue
			}
		} else if maker(n.prev) == pl.root {
			known = pl.cat.Streams[pl.root.Stream].Versions
		}
		impl, err := c.Registered(known, n.lang == encode)
		if err != nil {
			hint := ""
			if errors.Is(err, prefix.ErrNoID) {
				hint = "--schemas schema.lock, of a folder that comes from a registry; or say the number"
			}
			ps = append(ps, n.problem("bad-settings", hint, "codec %s: %v", n.codec, err))
			continue
		}
		n.impl = impl
	}
	return ps
}

// taken are the schemas that all streams have which a serialize leads to. One registry
// gives one schema one number, whatever the stream.
func (pl *Planned) taken(n *node) (known []codec.Version, streams []string) {
	first := true
	for _, sink := range pl.nodes {
		s, ok := pl.cat.Streams[sink.Stream]
		if sink.Kind != plan.Sink || maker(sink.prev) != n || !ok || len(s.Versions) == 0 {
			continue
		}
		streams = append(streams, strconv.Quote(sink.Stream))
		if first {
			known, first = slices.Clone(s.Versions), false
			continue
		}
		known = slices.DeleteFunc(known, func(v codec.Version) bool {
			return !slices.ContainsFunc(s.Versions, func(o codec.Version) bool { return o.ID == v.ID })
		})
	}
	return known, streams
}
