// Package deploy reads the deployment of a pipeline: where its streams are, how to
// reach them, how much of the machine it may use. It owns the form of that file and
// what may stand in it. It does not know the plan's steps beyond the names of their
// streams, and opens nothing.
package deploy

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/levada-io/levada/internal/diag"
	"github.com/levada-io/levada/plan"
)

// Config is a deployment.
type Config struct {
	Kafka   Kafka
	Streams map[string]Stream // by logical name
	Lanes   int
	Limits  Limits

	// places are "file:line:col" of the entries in Streams.
	places map[string]string
}

// Kafka says how to reach the cluster, for every stream in it.
type Kafka struct {
	Brokers        []string // host:port
	Group          string   // empty: the name of the pipeline
	Start          string   // where the group has no commit
	Protocol       string
	SessionTimeout time.Duration
	InstanceID     string
	Unreachable    time.Duration // how long brokers may be away
	Partitioner    string
	Compression    string
	TLS            *TLS  // nil: none
	SASL           *SASL // nil: none
	Insecure       bool  // SASL without TLS is wanted
}

// TLS is the encryption of connections. Empty files: those of the system, no client
// certificate.
type TLS struct {
	CA, Cert, Key string // PEM files
	ServerName    string
}

// SASL is the authentication of connections.
type SASL struct {
	Mechanism string
	Username  string
	Password  Secret
}

// Secret is text that does not show in messages, logs and dumps. A function, since
// fmt prints the fields of a struct past all methods, but not what a function returns.
type Secret func() string

// Reveal returns the text; empty where there is none.
func (s Secret) Reveal() string {
	if s == nil {
		return ""
	}
	return s()
}

// String implements fmt.Stringer without the text.
func (Secret) String() string { return "[redacted]" }

// MarshalText implements encoding.TextMarshaler without the text.
func (Secret) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Stream leads a logical stream to a physical one.
type Stream struct {
	Connector string // empty: as the plan says
	Topic     string // of kafka
	Path      string // of file
}

// Limits bound what a process holds.
type Limits struct {
	InFlight Size // records that are worked on
	Queue    Size // records that wait for a lane
	Batch    Size // records held by batch steps
	Chunk    int  // records of one turn of a lane
}

// Size is a number of bytes.
type Size int64

var units = []struct {
	name string
	size Size
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// String is the size with the largest unit that leaves no rest.
func (s Size) String() string {
	for _, u := range units {
		if s%u.size == 0 && s >= u.size {
			return fmt.Sprintf("%d%s", s/u.size, u.name)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Default is the deployment of a pipeline for which nothing is said: one lane, a
// broker on this machine.
func Default() *Config {
	return &Config{
		Kafka: Kafka{
			Brokers: []string{"127.0.0.1:9092"}, Start: "earliest", Protocol: "cooperative-sticky", SessionTimeout: 10 * time.Second,
			Unreachable: 5 * time.Minute, Partitioner: "murmur2", Compression: "snappy",
		},
		Streams: map[string]Stream{},
		Lanes:   1,
		Limits:  Limits{InFlight: 16 << 20, Queue: 4 << 20, Batch: 64 << 20, Chunk: 1000},
	}
}

// The values that a setting may have. The first is the default.
var (
	starts       = []string{"earliest", "latest"}
	protocols    = []string{"cooperative-sticky", "range", "kip848"}
	partitioners = []string{"murmur2", "crc32"}
	compressions = []string{"snappy", "none", "gzip", "lz4", "zstd"}
	mechanisms   = []string{"SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"}
	connectors   = []string{"kafka", "file", "devnull"}
)

const maxLanes = 1024

// Validate reports everything that is wrong with the values, each with its path:
// what is left to check when the command line has changed some of them.
//
// # Errors
//
// A diag.List.
func (c *Config) Validate() error {
	var list diag.List
	c.check(func(path, hint, format string, args ...any) {
		list = append(list, diag.Diagnostic{Code: "wrong-value", Place: path, Message: fmt.Sprintf(format, args...), Hint: hint})
	})
	return list.Err()
}

// check is what Load and Validate have in common. A path leads to the value, or, where
// that is missing, to the nearest that is there.
func (c *Config) check(wrong func(path, hint, format string, args ...any)) {
	oneOf := func(path, got string, want []string) {
		if !slices.Contains(want, got) {
			hint := diag.DidYouMean(got, want)
			wrong(path, hint, "expected one of %s, got %q", strings.Join(want, ", "), got)
		}
	}
	k := &c.Kafka
	if len(k.Brokers) == 0 {
		wrong("kafka.brokers", "", "expected at least one host:port, got none")
	}
	for i, b := range k.Brokers {
		if host, port, err := net.SplitHostPort(b); err != nil || host == "" || port == "" {
			wrong(fmt.Sprintf("kafka.brokers[%d]", i), "", "expected host:port, got %q", b)
		}
	}
	oneOf("kafka.start", k.Start, starts)
	oneOf("kafka.protocol", k.Protocol, protocols)
	oneOf("kafka.partitioner", k.Partitioner, partitioners)
	oneOf("kafka.compression", k.Compression, compressions)
	if k.SessionTimeout < time.Second {
		wrong("kafka.session_timeout", "", "expected at least 1s, got %v", k.SessionTimeout)
	}
	if k.Unreachable < time.Second {
		wrong("kafka.unreachable_budget", "", "expected at least 1s, got %v", k.Unreachable)
	}
	if k.TLS != nil && (k.TLS.Cert == "") != (k.TLS.Key == "") {
		wrong("kafka.tls", "", "expected cert and key together, got one of them")
	}
	if k.SASL != nil {
		oneOf("kafka.sasl.mechanism", k.SASL.Mechanism, mechanisms)
		if k.SASL.Username == "" {
			wrong("kafka.sasl.username", "", "expected a username, got none")
		}
		if k.SASL.Password.Reveal() == "" {
			wrong("kafka.sasl.password", `password: "${env:KAFKA_PASSWORD}"`, "expected a password, got none")
		}
		if k.TLS == nil && !k.Insecure {
			wrong("kafka.sasl", "add tls: true, or insecure: true where the network is trusted",
				"expected TLS, without it the password can be read on the network")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		s, path := c.Streams[name], "streams."+name
		if s.Connector != "" {
			oneOf(path+".connector", s.Connector, connectors)
		}
		switch {
		case s.Connector == "file" && s.Path == "":
			wrong(path, "", "expected a path for the connector file, got none")
		case s.Path != "" && s.Connector != "" && s.Connector != "file":
			wrong(path+".path", "", "the connector %s has no path", s.Connector)
		case s.Topic != "" && s.Connector != "" && s.Connector != "kafka":
			wrong(path+".topic", "", "the connector %s has no topic", s.Connector)
		}
	}
	if c.Lanes < 1 || c.Lanes > maxLanes {
		wrong("lanes", "", "expected 1 to %d, got %d", maxLanes, c.Lanes)
	}
	if c.Limits.Chunk < 1 || c.Limits.Chunk > 1<<20 {
		wrong("limits.chunk", "", "expected 1 to %d records, got %d", 1<<20, c.Limits.Chunk)
	}
	large := func(path string, s Size) {
		if s < 1<<16 {
			wrong(path, "", "expected at least 64KiB, got %s", s)
		}
	}
	large("limits.in_flight", c.Limits.InFlight)
	large("limits.queue", c.Limits.Queue)
	large("limits.batch", c.Limits.Batch)
}

// Stream is the physical stream of a logical one; without a word about it the topic is
// called as it is.
func (c *Config) Stream(name string) Stream {
	s := c.Streams[name]
	if s.Topic == "" {
		s.Topic = name
	}
	return s
}

// Match checks the deployment against the pipeline: a stream that none of its steps
// has is a slip that would else send records to the wrong place.
func (c *Config) Match(p *plan.Plan) error {
	if err := c.Validate(); err != nil {
		return err
	}
	var known []string
	for _, s := range p.Steps {
		if s.Stream != "" && !slices.Contains(known, s.Stream) {
			known = append(known, s.Stream)
		}
	}
	var list diag.List
	for _, name := range slices.Sorted(maps.Keys(c.Streams)) {
		if slices.Contains(known, name) {
			continue
		}
		hint := diag.DidYouMean(name, known)
		if hint == "" {
			hint = "its streams are " + strings.Join(known, ", ")
		}
		place := "streams." + name
		if at := c.places[name]; at != "" {
			place = at + ": " + place
		}
		list = append(list, diag.Diagnostic{
			Code: "unknown-stream", Place: place, Message: fmt.Sprintf("pipeline %q has no such stream", p.Name), Hint: hint,
		})
	}
	return list.Err()
}

// Placement is a plan placed by a deployment, for people to read.
type Placement struct {
	Pipeline string   `json:"pipeline"`
	Group    string   `json:"group"`
	Brokers  []string `json:"brokers"`
	Lanes    int      `json:"lanes"`
	Limits   struct {
		InFlight Size `json:"in_flight"`
		Queue    Size `json:"queue"`
		Batch    Size `json:"batch"`
		Chunk    int  `json:"chunk"`
	} `json:"limits"`
	Streams []PlacedStream `json:"streams"`
}

// PlacedStream is a source or sink with what it reads or writes.
type PlacedStream struct {
	Step      string `json:"step"`
	Stream    string `json:"stream"`
	Connector string `json:"connector"`
	Topic     string `json:"topic,omitempty"`
	Path      string `json:"path,omitempty"`
}

// Placement applies the deployment to a plan.
func (c *Config) Placement(p *plan.Plan) *Placement {
	out := &Placement{Pipeline: p.Name, Group: c.Kafka.Group, Brokers: c.Kafka.Brokers, Lanes: c.Lanes}
	if out.Group == "" {
		out.Group = p.Name
	}
	out.Limits.InFlight, out.Limits.Queue, out.Limits.Batch, out.Limits.Chunk = c.Limits.InFlight, c.Limits.Queue, c.Limits.Batch, c.Limits.Chunk
	for _, step := range p.Steps {
		if step.Kind != plan.Source && step.Kind != plan.Sink {
			continue
		}
		s := c.Stream(step.Stream)
		if s.Connector == "" {
			s.Connector = step.Connector
		}
		if s.Connector != "kafka" {
			s.Topic = ""
		}
		out.Streams = append(out.Streams, PlacedStream{step.Name, step.Stream, s.Connector, s.Topic, s.Path})
	}
	return out
}
