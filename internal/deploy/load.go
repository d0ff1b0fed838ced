package deploy

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/levada-io/levada/internal/yamldoc"
)

// Load reads a deployment file. lookup finds the variables of the environment that it
// refers to.
//
// # Errors
//
// A diag.List with everything that is wrong.
func Load(path string, lookup func(string) (string, bool)) (*Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("deployment: %w", err)
	}
	return parse(path, data, lookup)
}

func parse(path string, data []byte, lookup func(string) (string, bool)) (*Config, error) {
	f, err := yamldoc.Parse(path, data, "password")
	if err != nil {
		return nil, err
	}
	r := &reader{
		File: f, c: Default(), at: map[string]*yamldoc.Node{"": f.Root},
		folder: filepath.Dir(path), lookup: lookup,
	}
	r.c.places = map[string]string{}
	r.expand(f.Root)
	if err := f.Err(); err != nil {
		// A value that is not known would be reported as a wrong one.
		return nil, err
	}
	r.document(f.Root)
	r.c.check(func(path, hint, format string, args ...any) {
		n, found := r.at[path], true
		for near := path; n == nil; n, found = r.at[near], false {
			near = near[:max(strings.LastIndexByte(near, '.'), 0)]
		}
		if r.wrong[n] {
			return // it was not read, the default stands there
		}
		if found && n.Reference != "" {
			r.Problem(n, "wrong-value", hint, "%s: %s has a value that can not be used", path, n.Reference)
			return
		}
		r.Problem(n, "wrong-value", hint, "%s: %s", path, fmt.Sprintf(format, args...))
	})
	if err := f.Err(); err != nil {
		return nil, err
	}
	return r.c, nil
}

type reader struct {
	*yamldoc.File
	c      *Config
	at     map[string]*yamldoc.Node // by path
	wrong  map[*yamldoc.Node]bool   // reported already
	folder string
	lookup func(string) (string, bool)
}

var reference = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^\$\{(env|file):([^{}]+)\}$`) })

// expand puts the values of references in their place. It happens after parsing, so
// that what a variable contains can not change the document.
func (r *reader) expand(n *yamldoc.Node) {
	for _, v := range n.Values {
		r.expand(v)
	}
	if n.Kind != yamldoc.Text || !strings.Contains(n.Text, "${") {
		return
	}
	m := reference().FindStringSubmatch(n.Text)
	if m == nil {
		r.Problem(n, "bad-reference", "", "expected ${env:NAME} or ${file:/path} and nothing else in the value, got %q", n.Text)
		return
	}
	n.Reference = n.Text
	if m[1] == "env" {
		v, ok := r.lookup(m[2])
		if !ok {
			r.Problem(n, "missing-variable", "", "variable %s is not set", m[2])
		}
		n.Text = v
		return
	}
	path := m[2]
	if !filepath.IsAbs(path) {
		path = filepath.Join(r.folder, path)
	}
	b, err := os.ReadFile(path)
	switch {
	case err != nil:
		r.Problem(n, "missing-file", "", "%v", err)
	case len(b) > yamldoc.MaxBytes:
		r.Problem(n, "missing-file", "", "file %s: expected at most 1 MiB, got %d bytes", m[2], len(b))
	}
	// Editors and secret stores end a file with a newline that is no part of a value.
	n.Text = strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r")
}

// fields reads a map whose keys are members of path.
func (r *reader) fields(n *yamldoc.Node, path string, fields map[string]func(*yamldoc.Node, string)) {
	within := make(map[string]func(*yamldoc.Node), len(fields))
	for key, set := range fields {
		place := key
		if path != "" {
			place = path + "." + key
		}
		within[key] = func(v *yamldoc.Node) {
			r.at[place] = v
			set(v, place)
		}
	}
	r.Fields(n, path, within)
}

func (r *reader) document(n *yamldoc.Node) {
	c := r.c
	r.fields(n, "", map[string]func(*yamldoc.Node, string){
		"kafka":   r.kafka,
		"streams": r.streams,
		"lanes":   r.int(&c.Lanes, 1),
		"limits": func(n *yamldoc.Node, path string) {
			r.fields(n, path, map[string]func(*yamldoc.Node, string){
				"in_flight": r.size(&c.Limits.InFlight),
				"queue":     r.size(&c.Limits.Queue),
				"batch":     r.size(&c.Limits.Batch),
				"chunk":     r.int(&c.Limits.Chunk, 1),
			})
		},
		"memory":      r.memory,
		"dead_letter": r.deadLetter,
		"health": func(n *yamldoc.Node, path string) {
			r.fields(n, path, map[string]func(*yamldoc.Node, string){
				"listen": r.text(&c.Health.Listen),
				"expose": r.bool(&c.Health.Expose),
				"file":   r.text(&c.Health.File),
			})
		},
		"stall": func(n *yamldoc.Node, path string) {
			r.fields(n, path, map[string]func(*yamldoc.Node, string){
				"report_after": r.duration(&c.Stall.ReportAfter),
				"exit_after":   r.durationOrZero(&c.Stall.ExitAfter),
			})
		},
	})
}

// memory reads the budget. Zero would read as "none", which is said by leaving it out.
func (r *reader) memory(n *yamldoc.Node, path string) {
	r.size(&r.c.Memory)(n, path)
	if r.c.Memory == 0 && !r.wrong[n] {
		r.bad(n, "wrong-value", "leave it out for no budget", "%s: expected at least %s, got %s", path, minMemory, n.Shown())
	}
}

func (r *reader) deadLetter(n *yamldoc.Node, path string) {
	if n.Kind == yamldoc.Text && n.Reference == "" {
		r.bad(n, "wrong-type", "dead_letter: {topic: "+n.Text+"}", "%s: expected a map, got %s", path, n.Shown())
		return
	}
	d := &DeadLetter{Connector: letterConnectors[0], MaxConsecutive: defaultMaxConsecutive, MaxRatio: defaultMaxRatio}
	located := func(to *string) func(*yamldoc.Node, string) {
		read := r.text(to)
		return func(n *yamldoc.Node, path string) {
			r.c.places[path] = fmt.Sprintf("%s:%d:%d", r.Name, n.Line, n.Column)
			read(n, path)
		}
	}
	r.fields(n, path, map[string]func(*yamldoc.Node, string){
		"connector":       r.text(&d.Connector),
		"topic":           located(&d.Topic),
		"path":            located(&d.Path),
		"max_consecutive": r.int(&d.MaxConsecutive, 0),
		"max_ratio":       r.number(&d.MaxRatio),
	})
	if n.Kind == yamldoc.Map {
		r.c.DeadLetter = d
	}
}

// foreign are the names that other clients have for what stands here.
var foreign = map[string]string{
	"bootstrap.servers":  "brokers",
	"bootstrap_servers":  "brokers",
	"group.id":           "group",
	"consumer_group":     "group",
	"group.instance.id":  "instance_id",
	"auto.offset.reset":  "start",
	"auto_offset_reset":  "start",
	"session.timeout.ms": "session_timeout",
	"compression.type":   "compression",
	"security.protocol":  "tls and sasl",
	"sasl.mechanism":     "sasl",
	"sasl.mechanisms":    "sasl",
	"ssl.ca.location":    "tls",
}

func (r *reader) kafka(n *yamldoc.Node, path string) {
	k := &r.c.Kafka
	fields := map[string]func(*yamldoc.Node, string){
		"brokers":            r.list(&k.Brokers),
		"group":              r.text(&k.Group),
		"start":              r.text(&k.Start),
		"protocol":           r.text(&k.Protocol),
		"out_of_range":       r.text(&k.OutOfRange),
		"session_timeout":    r.duration(&k.SessionTimeout),
		"instance_id":        r.text(&k.InstanceID),
		"unreachable_budget": r.duration(&k.Unreachable),
		"partitioner":        r.text(&k.Partitioner),
		"compression":        r.text(&k.Compression),
		"tls":                r.tls,
		"sasl":               r.sasl,
		"insecure":           r.bool(&k.Insecure),
	}
	for i := 0; i < len(n.Keys); i++ {
		if here, ok := foreign[n.Keys[i].Text]; ok {
			r.Problem(n.Keys[i], "unknown-key", "it is called "+here+" here", "%s: unknown key %q", path, n.Keys[i].Text)
			n.Keys, n.Values = slices.Delete(n.Keys, i, i+1), slices.Delete(n.Values, i, i+1)
			i--
		}
	}
	r.fields(n, path, fields)
}

func (r *reader) tls(n *yamldoc.Node, path string) {
	if n.Kind == yamldoc.Bool || n.Reference != "" {
		if on, _ := r.Boolean(n, path); on {
			r.c.Kafka.TLS = &TLS{}
		}
		return
	}
	t := &TLS{}
	r.c.Kafka.TLS = t
	r.fields(n, path, map[string]func(*yamldoc.Node, string){
		"ca": r.text(&t.CA), "cert": r.text(&t.Cert), "key": r.text(&t.Key), "server_name": r.text(&t.ServerName),
	})
}

func (r *reader) sasl(n *yamldoc.Node, path string) {
	s := &SASL{Mechanism: mechanisms[0]}
	r.c.Kafka.SASL = s
	r.fields(n, path, map[string]func(*yamldoc.Node, string){
		"mechanism": r.text(&s.Mechanism),
		"username":  r.text(&s.Username),
		"password": func(n *yamldoc.Node, path string) {
			if n.Reference == "" {
				r.Conceal(n)
				r.bad(n, "plain-secret", `password: "${env:KAFKA_PASSWORD}"`,
					"%s: expected ${env:NAME} or ${file:/path}, got the secret itself", path)
				return
			}
			text := n.Text
			s.Password = func() string { return text }
		},
	})
}

func (r *reader) streams(n *yamldoc.Node, path string) {
	if !r.Is(n, path, yamldoc.Map) {
		return
	}
	for i, key := range n.Keys {
		place, v := path+"."+key.Text, n.Values[i]
		r.at[place] = v
		r.c.places[place] = fmt.Sprintf("%s:%d:%d", r.Name, key.Line, key.Column)
		var s Stream
		r.fields(v, place, map[string]func(*yamldoc.Node, string){
			"connector": r.text(&s.Connector), "topic": r.text(&s.Topic), "path": r.text(&s.Path),
		})
		r.c.Streams[key.Text] = s
	}
}

// bad reports a value that was not read, so that check leaves it alone.
func (r *reader) bad(n *yamldoc.Node, code, hint, format string, args ...any) {
	r.Problem(n, code, hint, format, args...)
	r.mark(n)
}

func (r *reader) mark(n *yamldoc.Node) {
	if r.wrong == nil {
		r.wrong = map[*yamldoc.Node]bool{}
	}
	r.wrong[n] = true
}

func (r *reader) text(to *string) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		v, ok := r.String(n, path)
		if !ok {
			r.mark(n)
			return
		}
		*to = v
	}
}

// list reads a list of texts, or one text that is a list of one.
func (r *reader) list(to *[]string) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		*to = nil
		if n.Kind == yamldoc.Text {
			// Written as other clients take it, with commas.
			for v := range strings.SplitSeq(n.Text, ",") {
				r.at[fmt.Sprintf("%s[%d]", path, len(*to))] = n
				*to = append(*to, strings.TrimSpace(v))
			}
			return
		}
		if !r.Is(n, path, yamldoc.List) {
			r.mark(n)
			return
		}
		for i, e := range n.Values {
			place := fmt.Sprintf("%s[%d]", path, i)
			r.at[place] = e
			v := ""
			r.text(&v)(e, place)
			*to = append(*to, v)
		}
	}
}

func (r *reader) int(to *int, low int64) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		v, ok := r.Integer(n, path, low)
		if !ok || int64(int(v)) != v {
			r.mark(n)
			return
		}
		*to = int(v)
	}
}

func (r *reader) bool(to *bool) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) { *to, _ = r.Boolean(n, path) }
}

func (r *reader) duration(to *time.Duration) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		d, ok := r.Duration(n, path)
		if !ok {
			r.mark(n)
			return
		}
		*to = d
	}
}

// durationOrZero reads a duration of which zero has a meaning.
func (r *reader) durationOrZero(to *time.Duration) func(*yamldoc.Node, string) {
	read := r.duration(to)
	return func(n *yamldoc.Node, path string) {
		if n.Kind == yamldoc.Int || n.Kind == yamldoc.Text {
			if d, err := time.ParseDuration(n.Text); err == nil && d == 0 {
				*to = 0
				return
			}
		}
		read(n, path)
	}
}

func (r *reader) number(to *float64) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		v, ok := r.Number(n, path)
		if !ok {
			r.mark(n)
			return
		}
		*to = v
	}
}

func (r *reader) size(to *Size) func(*yamldoc.Node, string) {
	return func(n *yamldoc.Node, path string) {
		v, ok := r.Size(n, path)
		if !ok {
			r.mark(n)
			return
		}
		*to = Size(v)
	}
}
