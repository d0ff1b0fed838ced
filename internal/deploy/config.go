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
	"strconv"
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
	// Memory is the budget of the whole process; 0: none beyond Limits.
	Memory Size
	// DeadLetter is where messages go that a step can not handle; nil: nowhere.
	DeadLetter *DeadLetter
	Health     Health
	Stall      Stall

	// places are "file:line:col" of what Match compares with the plan, by path:
	// "streams.orders", "dead_letter.topic".
	places map[string]string
}

// DeadLetter is the stream of messages that a step can not handle, and how many of
// them are so many that going on would only drain the source into it.
type DeadLetter struct {
	Connector string // kafka or file
	Topic     string // of kafka
	Path      string // of file
	// MaxConsecutive is the number of records of one partition in a row; 0: no limit.
	MaxConsecutive int
	// MaxRatio is dead letters per record, from 0 to 1; 0: no limit.
	MaxRatio float64
}

// Health says where a process tells whether it lives and is ready.
type Health struct {
	Listen string // host:port; empty: no server
	Expose bool   // other machines may ask
	File   string // touched while the process is live; empty: none
}

// Stall says how long nothing may move where there is something to do.
type Stall struct {
	ReportAfter time.Duration
	ExitAfter   time.Duration // 0: never
}

// Kafka says how to reach the cluster, for every stream in it.
type Kafka struct {
	Brokers        []string // host:port
	Group          string   // empty: the name of the pipeline
	Start          string   // where the group has no commit
	Protocol       string
	SessionTimeout time.Duration
	OutOfRange     string // where the records of a commit are no longer there
	// InstanceID makes the member static; it may contain Ordinal, for whoever starts
	// several processes of one deployment.
	InstanceID  string
	Unreachable time.Duration // how long brokers may be away
	Partitioner string
	Compression string
	TLS         *TLS  // nil: none
	SASL        *SASL // nil: none
	Insecure    bool  // SASL without TLS is wanted
}

// Ordinal is what stands in an instance id for the number of the process.
const Ordinal = "{ordinal}"

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
			Brokers: []string{"127.0.0.1:9092"}, Start: "earliest", OutOfRange: "fail", Protocol: "cooperative-sticky", SessionTimeout: 10 * time.Second,
			Unreachable: 5 * time.Minute, Partitioner: "murmur2", Compression: "snappy",
		},
		Streams: map[string]Stream{},
		Lanes:   1,
		Limits:  Limits{InFlight: 16 << 20, Queue: 4 << 20, Batch: 64 << 20, Chunk: 1000},
		Stall:   Stall{ReportAfter: 30 * time.Second, ExitAfter: 10 * time.Minute},
	}
}

// The limits of a dead-letter stream about which nothing else is said.
const (
	defaultMaxConsecutive = 1000
	defaultMaxRatio       = 0.25
)

// The values that a setting may have. The first is the default.
var (
	starts       = []string{"earliest", "latest"}
	outOfRanges  = []string{"fail", "earliest", "latest"}
	protocols    = []string{"cooperative-sticky", "range", "kip848"}
	partitioners = []string{"murmur2", "crc32"}
	compressions = []string{"snappy", "none", "gzip", "lz4", "zstd"}
	mechanisms   = []string{"SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"}
	connectors   = []string{"kafka", "file", "devnull"}
	// Nothing may be thrown away under the name of a dead letter.
	letterConnectors = []string{"kafka", "file"}
)

// elsewhere are the names that values have in other clients. By its letters "oldest"
// would be taken for a slip of "latest", which is its contrary.
var elsewhere = map[string]string{
	"oldest": "earliest", "smallest": "earliest", "beginning": "earliest",
	"newest": "latest", "largest": "latest", "end": "latest",
	"none": "fail", "error": "fail", "stop": "fail",
}

const (
	maxLanes = 1024
	// minMemory is below what the runtime of a process takes that holds nothing yet.
	minMemory Size = 32 << 20
)

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
			if here := elsewhere[got]; slices.Contains(want, here) {
				hint = "it is called " + here + " here"
			}
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
	oneOf("kafka.out_of_range", k.OutOfRange, outOfRanges)
	oneOf("kafka.protocol", k.Protocol, protocols)
	oneOf("kafka.partitioner", k.Partitioner, partitioners)
	oneOf("kafka.compression", k.Compression, compressions)
	if k.SessionTimeout < time.Second {
		wrong("kafka.session_timeout", "", "expected at least 1s, got %v", k.SessionTimeout)
	}
	if rest := strings.ReplaceAll(k.InstanceID, Ordinal, ""); strings.ContainsAny(rest, "{}") {
		wrong("kafka.instance_id", "", "expected no placeholder but %s, got %q", Ordinal, k.InstanceID)
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
	if c.Memory != 0 && c.Memory < minMemory {
		wrong("memory", "", "expected at least %s, got %s", minMemory, c.Memory)
	}
	c.checkDeadLetter(wrong, oneOf)
	c.checkHealth(wrong)
	if s := c.Stall; s.ReportAfter <= 0 {
		wrong("stall.report_after", "", "expected a time above zero, got %v", s.ReportAfter)
	} else if s.ExitAfter < 0 {
		wrong("stall.exit_after", "0s is never", "expected no negative time, got %v", s.ExitAfter)
	} else if s.ExitAfter != 0 && s.ExitAfter < s.ReportAfter {
		wrong("stall.exit_after", "0s is never", "expected at least report_after, %v, got %v", s.ReportAfter, s.ExitAfter)
	}
}

func (c *Config) checkDeadLetter(wrong func(path, hint, format string, args ...any), oneOf func(path, got string, want []string)) {
	const section = "dead_letter"
	d := c.DeadLetter
	if d == nil {
		return
	}
	switch {
	case !slices.Contains(letterConnectors, d.Connector):
		oneOf(section+".connector", d.Connector, letterConnectors)
	case d.Connector == "kafka" && d.Path != "":
		wrong(section+".path", "add connector: file", "the connector kafka has no path")
	case d.Connector == "kafka" && d.Topic == "":
		wrong(section, "topic: metrics-dlq, or connector: file with a path", "expected a topic, got none")
	case d.Connector == "file" && d.Topic != "":
		wrong(section+".topic", "", "the connector file has no topic")
	case d.Connector == "file" && d.Path == "":
		wrong(section, "", "expected a path for the connector file, got none")
	}
	if d.MaxConsecutive < 0 {
		wrong(section+".max_consecutive", "0 is no limit", "expected no negative number, got %d", d.MaxConsecutive)
	}
	if !(d.MaxRatio >= 0 && d.MaxRatio <= 1) { // a NaN is neither
		wrong(section+".max_ratio", "0.25 is one in four, 0 is no limit", "expected 0 to 1, got %v", d.MaxRatio)
	}
}

func (c *Config) checkHealth(wrong func(path, hint, format string, args ...any)) {
	h := c.Health
	if h.Listen == "" {
		if h.Expose {
			wrong("health.expose", "listen: 0.0.0.0:8080", "expected listen beside it, got none")
		}
		return
	}
	host, port, err := net.SplitHostPort(h.Listen)
	if n, perr := strconv.ParseUint(port, 10, 16); err != nil || perr != nil || strconv.FormatUint(n, 10) != port {
		wrong("health.listen", "127.0.0.1:8080", "expected host:port, got %q", h.Listen)
		return
	}
	if ip := net.ParseIP(host); !h.Expose && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		wrong("health.listen", "127.0.0.1:"+port+", or expose: true where the network is trusted",
			"expected a loopback address, %q can be reached from other machines", h.Listen)
	}
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
		list = append(list, diag.Diagnostic{
			Code: "unknown-stream", Place: c.place("streams." + name), Message: fmt.Sprintf("pipeline %q has no such stream", p.Name), Hint: hint,
		})
	}
	if d := c.deadLetterClash(p); d != nil {
		list = append(list, *d)
	}
	return list.Err()
}

// place is the path of a setting, behind its line where it comes from a file.
func (c *Config) place(path string) string {
	if at := c.places[path]; at != "" {
		return at + ": " + path
	}
	return path
}

// deadLetterClash finds a step that reads or writes what dead letters go to: they
// would come back as input, or stand among results.
func (c *Config) deadLetterClash(p *plan.Plan) *diag.Diagnostic {
	d := c.DeadLetter
	if d == nil {
		return nil
	}
	member, target := "topic", d.Topic
	if d.Connector == "file" {
		member, target = "path", d.Path
	}
	for _, step := range placed(c, p) {
		is := step.Topic
		if d.Connector == "file" {
			is = step.Path
		}
		if step.Connector != d.Connector || is == "" || is != target {
			continue
		}
		does := "writes"
		if step.kind == plan.Source {
			does = "reads"
		}
		return &diag.Diagnostic{
			Code: "dead-letter-stream", Place: c.place("dead_letter." + member),
			Message: fmt.Sprintf("expected a %s of its own, step %q %s %q", member, step.Step, does, target),
		}
	}
	return nil
}

// Placement is a plan placed by a deployment, for people to read.
type Placement struct {
	Pipeline string   `json:"pipeline"`
	Group    string   `json:"group"`
	Instance string   `json:"instance_id,omitempty"`
	Brokers  []string `json:"brokers"`
	// OutOfRange is what happens where the records of a commit are no longer there.
	OutOfRange string `json:"out_of_range"`
	Lanes      int    `json:"lanes"`
	Memory     Size   `json:"memory,omitzero"`
	Limits     struct {
		InFlight Size `json:"in_flight"`
		Queue    Size `json:"queue"`
		Batch    Size `json:"batch"`
		Chunk    int  `json:"chunk"`
	} `json:"limits"`
	Stall struct {
		ReportAfter string `json:"report_after"`
		ExitAfter   string `json:"exit_after"`
	} `json:"stall"`
	Health     *PlacedHealth     `json:"health,omitempty"`
	DeadLetter *PlacedDeadLetter `json:"dead_letter,omitempty"`
	Streams    []PlacedStream    `json:"streams"`
}

// PlacedHealth is where the process tells how it is.
type PlacedHealth struct {
	Listen string `json:"listen,omitempty"`
	File   string `json:"file,omitempty"`
}

// PlacedDeadLetter is where messages go that can not be handled.
type PlacedDeadLetter struct {
	Connector      string  `json:"connector"`
	Topic          string  `json:"topic,omitempty"`
	Path           string  `json:"path,omitempty"`
	MaxConsecutive int     `json:"max_consecutive"`
	MaxRatio       float64 `json:"max_ratio"`
}

// PlacedStream is a source or sink with what it reads or writes.
type PlacedStream struct {
	Step      string `json:"step"`
	Stream    string `json:"stream"`
	Connector string `json:"connector"`
	Topic     string `json:"topic,omitempty"`
	Path      string `json:"path,omitempty"`

	kind plan.Kind
}

// Placement applies the deployment to a plan.
func (c *Config) Placement(p *plan.Plan) *Placement {
	out := &Placement{
		Pipeline: p.Name, Group: c.Kafka.Group, Instance: c.Kafka.InstanceID, Brokers: c.Kafka.Brokers,
		OutOfRange: c.Kafka.OutOfRange, Lanes: c.Lanes, Memory: c.Memory, Streams: placed(c, p),
	}
	if out.Group == "" {
		out.Group = p.Name
	}
	out.Limits.InFlight, out.Limits.Queue, out.Limits.Batch, out.Limits.Chunk = c.Limits.InFlight, c.Limits.Queue, c.Limits.Batch, c.Limits.Chunk
	out.Stall.ReportAfter, out.Stall.ExitAfter = c.Stall.ReportAfter.String(), c.Stall.ExitAfter.String()
	if h := c.Health; h.Listen != "" || h.File != "" {
		out.Health = &PlacedHealth{h.Listen, h.File}
	}
	if d := c.DeadLetter; d != nil {
		out.DeadLetter = &PlacedDeadLetter{d.Connector, d.Topic, d.Path, d.MaxConsecutive, d.MaxRatio}
	}
	return out
}

// placed are the sources and sinks of the plan with what the deployment makes of them.
func placed(c *Config, p *plan.Plan) []PlacedStream {
	var out []PlacedStream
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
		out = append(out, PlacedStream{step.Name, step.Stream, s.Connector, s.Topic, s.Path, step.Kind})
	}
	return out
}
