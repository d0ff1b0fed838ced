package deploy

import (
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/levada-io/levada/plan"
)

func environment(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		v, ok := vars[name]
		return v, ok
	}
}

func TestLoadReadsEverything(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("user", "alice\n")
	path := write("deployment.yaml", `
kafka:
  brokers: [a:9092, "b:9093"]
  group: metrics
  start: latest
  out_of_range: earliest
  protocol: range
  session_timeout: 30s
  instance_id: "metrics-{ordinal}"
  unreachable_budget: 1h30m
  partitioner: crc32
  compression: zstd
  tls: {ca: /ca.pem, cert: /c.pem, key: /k.pem, server_name: kafka}
  sasl: {mechanism: SCRAM-SHA-512, username: "${file:user}", password: "${env:PASSWORD}"}
  insecure: true
streams:
  in: {topic: prod-in}
  out: {connector: file, path: out.jsonl}
lanes: ${env:LANES}
limits: {in_flight: 1GiB, chunk: 500, queue: 100000, batch: 3 MiB}
memory: 2GiB
dead_letter: {topic: metrics-dlq, max_consecutive: 10, max_ratio: 1}
health: {listen: "0.0.0.0:8080", expose: true, file: /tmp/health.txt}
stall: {report_after: 1m, exit_after: 0s}
`)
	c, err := Load(path, environment(map[string]string{"PASSWORD": "hunter2", "LANES": "4"}))
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Kafka.SASL.Password.Reveal(); got != "hunter2" {
		t.Errorf("password %q", got)
	}
	c.Kafka.SASL.Password, c.places = nil, nil
	want := &Config{
		Kafka: Kafka{
			Brokers: []string{"a:9092", "b:9093"}, Group: "metrics", Start: "latest", OutOfRange: "earliest", Protocol: "range", SessionTimeout: 30 * time.Second,
			InstanceID: "metrics-{ordinal}", Unreachable: 90 * time.Minute, Partitioner: "crc32", Compression: "zstd", Insecure: true,
			TLS:  &TLS{CA: "/ca.pem", Cert: "/c.pem", Key: "/k.pem", ServerName: "kafka"},
			SASL: &SASL{Mechanism: "SCRAM-SHA-512", Username: "alice"},
		},
		Streams: map[string]Stream{"in": {Topic: "prod-in"}, "out": {Connector: "file", Path: "out.jsonl"}},
		Lanes:   4,
		Limits:  Limits{InFlight: 1 << 30, Chunk: 500, Queue: 100000, Batch: 3 << 20},

		Memory:     2 << 30,
		DeadLetter: &DeadLetter{Connector: "kafka", Topic: "metrics-dlq", MaxConsecutive: 10, MaxRatio: 1},
		Health:     Health{Listen: "0.0.0.0:8080", Expose: true, File: "/tmp/health.txt"},
		Stall:      Stall{ReportAfter: time.Minute},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got\n%+v\nwant\n%+v", c, want)
	}
}

func TestDefaultIsValidAndWhatAnEmptyMapGives(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	c, err := parse("d.yaml", []byte("{}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	c.places = nil
	if !reflect.DeepEqual(c, Default()) {
		t.Errorf("got %+v", c)
	}
}

func TestBrokersMayBeOneTextAndTLSABoolean(t *testing.T) {
	c, err := parse("d.yaml", []byte("kafka: {brokers: 'a:1, b:2', tls: true}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(c.Kafka.Brokers) != "[a:1 b:2]" || c.Kafka.TLS == nil {
		t.Errorf("got %+v", c.Kafka)
	}
}

func TestDeadLetterDefaults(t *testing.T) {
	for in, want := range map[string]DeadLetter{
		"dead_letter: {topic: dlq}": {Connector: "kafka", Topic: "dlq", MaxConsecutive: 1000, MaxRatio: 0.25},
		"dead_letter: {connector: file, path: d.jsonl, max_ratio: '${env:RATIO}'}": {Connector: "file", Path: "d.jsonl", MaxConsecutive: 1000, MaxRatio: 0.5},
		"dead_letter: {topic: dlq, max_consecutive: 0, max_ratio: 0}":              {Connector: "kafka", Topic: "dlq"},
	} {
		c, err := parse("d.yaml", []byte(in), environment(map[string]string{"RATIO": "0.5"}))
		if err != nil {
			t.Errorf("%s: %v", in, err)
		} else if *c.DeadLetter != want {
			t.Errorf("%s: got %+v", in, *c.DeadLetter)
		}
	}
}

func TestHealthListensOnLoopbackUnlessToldOtherwise(t *testing.T) {
	for in, ok := range map[string]bool{
		"127.0.0.1:8080": true, "127.1.2.3:0": true, "[::1]:80": true, "localhost:80": true,
		":8080": false, "0.0.0.0:80": false, "10.0.0.1:80": false, "[::]:80": false, "health:80": false, "localhost.example:80": false,
	} {
		c := Default()
		c.Health.Listen = in
		if err := c.Validate(); (err == nil) != ok {
			t.Errorf("%s: %v", in, err)
		}
		c.Health.Expose = true
		if err := c.Validate(); err != nil {
			t.Errorf("%s, exposed: %v", in, err)
		}
	}
}

// Every mistake of a file is reported, with its place, and nothing else is.
func TestLoadReportsEveryMistake(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no map", "- a\n", `
d.yaml:1:1: expected a map, got a list [wrong-type]
    1 | - a
      | ^`},
		{"unknown keys", "kafk: {}\nkafka:\n  broker: a:1\n  bootstrap.servers: a:1\nlanes: 2\n", `
d.yaml:1:1: unknown key "kafk" [unknown-key]
    1 | kafk: {}
      | ^~~~
hint: did you mean "kafka"?
d.yaml:3:3: kafka: unknown key "broker" [unknown-key]
    3 |   broker: a:1
      |   ^~~~~~
hint: did you mean "brokers"?
d.yaml:4:3: kafka: unknown key "bootstrap.servers" [unknown-key]
    4 |   bootstrap.servers: a:1
      |   ^~~~~~~~~~~~~~~~~
hint: it is called brokers here`},
		{"values", "kafka:\n  brokers: [localhost, 3]\n  start: earlyest\n  session_timeout: 10\n  tls: {cert: /c}\nlanes: 0\nlimits:\n  queue: 1KiB\n  batch: 64MB\n  chunk: many\n", `
d.yaml:2:13: kafka.brokers[0]: expected host:port, got "localhost" [wrong-value]
    2 |   brokers: [localhost, 3]
      |             ^~~~~~~~~
d.yaml:2:24: kafka.brokers[1]: expected text, got 3 [wrong-type]
    2 |   brokers: [localhost, 3]
      |                        ^
hint: write it in quotes: "3"
d.yaml:3:10: kafka.start: expected one of earliest, latest, got "earlyest" [wrong-value]
    3 |   start: earlyest
      |          ^~~~~~~~
hint: did you mean "earliest"?
d.yaml:4:20: kafka.session_timeout: expected a duration such as 10s, 5m or 1h30m, got 10 [wrong-value]
    4 |   session_timeout: 10
      |                    ^~
d.yaml:5:8: kafka.tls: expected cert and key together, got one of them [wrong-value]
    5 |   tls: {cert: /c}
      |        ^
d.yaml:6:8: lanes: expected at least 1, got 0 [wrong-value]
    6 | lanes: 0
      |        ^
d.yaml:8:10: limits.queue: expected at least 64KiB, got 1KiB [wrong-value]
    8 |   queue: 1KiB
      |          ^~~~
d.yaml:9:10: limits.batch: expected a size in B, KiB, MiB or GiB, got "64MB" [wrong-value]
    9 |   batch: 64MB
      |          ^~~~
hint: did you mean "64MiB"?
d.yaml:10:10: limits.chunk: expected an integer, got "many" [wrong-type]
   10 |   chunk: many
      |          ^~~~`},
		{"dead letter", "dead_letter:\n  topik: x\n  max_consecutive: -1\n  max_ratio: 1.5\n", `
d.yaml:2:3: dead_letter: unknown key "topik" [unknown-key]
    2 |   topik: x
      |   ^~~~~
hint: did you mean "topic"?
d.yaml:2:3: dead_letter: expected a topic, got none [wrong-value]
    2 |   topik: x
      |   ^
hint: topic: metrics-dlq, or connector: file with a path
d.yaml:3:20: dead_letter.max_consecutive: expected at least 0, got -1 [wrong-value]
    3 |   max_consecutive: -1
      |                    ^~
d.yaml:4:14: dead_letter.max_ratio: expected 0 to 1, got 1.5 [wrong-value]
    4 |   max_ratio: 1.5
      |              ^~~
hint: 0.25 is one in four, 0 is no limit`},
		{"dead letter as text", "dead_letter: metrics-dlq\n", `
d.yaml:1:14: dead_letter: expected a map, got "metrics-dlq" [wrong-type]
    1 | dead_letter: metrics-dlq
      |              ^~~~~~~~~~~
hint: dead_letter: {topic: metrics-dlq}`},
		{"dead letter into nothing", "dead_letter: {connector: devnull}\n", `
d.yaml:1:26: dead_letter.connector: expected one of kafka, file, got "devnull" [wrong-value]
    1 | dead_letter: {connector: devnull}
      |                          ^~~~~~~`},
		{"dead letter as a path of kafka", "dead_letter: {path: x, max_ratio: .nan}\n", `
d.yaml:1:21: dead_letter.path: the connector kafka has no path [wrong-value]
    1 | dead_letter: {path: x, max_ratio: .nan}
      |                     ^
hint: add connector: file
d.yaml:1:35: dead_letter.max_ratio: expected a decimal number, got .nan [wrong-value]
    1 | dead_letter: {path: x, max_ratio: .nan}
      |                                   ^~~~`},
		{"health and stall", "health: {listen: ':8080', files: /tmp/h}\nstall:\n  report_after: 0s\n  exit_after: -1s\n", `
d.yaml:1:18: health.listen: expected a loopback address, ":8080" can be reached from other machines [wrong-value]
    1 | health: {listen: ':8080', files: /tmp/h}
      |                  ^~~~~~~
hint: 127.0.0.1:8080, or expose: true where the network is trusted
d.yaml:1:27: health: unknown key "files" [unknown-key]
    1 | health: {listen: ':8080', files: /tmp/h}
      |                           ^~~~~
hint: did you mean "file"?
d.yaml:3:17: stall.report_after: expected a duration such as 10s, 5m or 1h30m, got "0s" [wrong-value]
    3 |   report_after: 0s
      |                 ^~
d.yaml:4:15: stall.exit_after: expected a duration such as 10s, 5m or 1h30m, got "-1s" [wrong-value]
    4 |   exit_after: -1s
      |               ^~~`},
		{"contradictions", "health: {listen: localhost}\nstall: {report_after: 1m, exit_after: 30s}\nmemory: 1MiB\nkafka:\n  out_of_range: latst\n  instance_id: 'm-{ordnal}'\n", `
d.yaml:1:18: health.listen: expected host:port, got "localhost" [wrong-value]
    1 | health: {listen: localhost}
      |                  ^~~~~~~~~
hint: 127.0.0.1:8080
d.yaml:2:39: stall.exit_after: expected at least report_after, 1m0s, got 30s [wrong-value]
    2 | stall: {report_after: 1m, exit_after: 30s}
      |                                       ^~~
hint: 0s is never
d.yaml:3:9: memory: expected at least 32MiB, got 1MiB [wrong-value]
    3 | memory: 1MiB
      |         ^~~~
d.yaml:5:17: kafka.out_of_range: expected one of fail, earliest, latest, got "latst" [wrong-value]
    5 |   out_of_range: latst
      |                 ^~~~~
hint: did you mean "latest"?
d.yaml:6:16: kafka.instance_id: expected no placeholder but {ordinal}, got "m-{ordnal}" [wrong-value]
    6 |   instance_id: 'm-{ordnal}'
      |                ^~~~~~~~~~~~`},
		{"words of other clients", "kafka: {start: oldest, out_of_range: none, compression: zsdt}\n", `
d.yaml:1:16: kafka.start: expected one of earliest, latest, got "oldest" [wrong-value]
    1 | kafka: {start: oldest, out_of_range: none, compression: zsdt}
      |                ^~~~~~
hint: it is called earliest here
d.yaml:1:38: kafka.out_of_range: expected one of fail, earliest, latest, got "none" [wrong-value]
    1 | kafka: {start: oldest, out_of_range: none, compression: zsdt}
      |                                      ^~~~
hint: it is called fail here
d.yaml:1:57: kafka.compression: expected one of snappy, none, gzip, lz4, zstd, got "zsdt" [wrong-value]
    1 | kafka: {start: oldest, out_of_range: none, compression: zsdt}
      |                                                         ^~~~
hint: did you mean "zstd"?`},
		{"no budget and exposed nothing", "memory: 0\nhealth: {expose: true}\n", `
d.yaml:1:9: memory: expected at least 32MiB, got 0 [wrong-value]
    1 | memory: 0
      |         ^
hint: leave it out for no budget
d.yaml:2:18: health.expose: expected listen beside it, got none [wrong-value]
    2 | health: {expose: true}
      |                  ^~~~
hint: listen: 0.0.0.0:8080`},
		{"streams", "streams:\n  a: {connector: file}\n  b: {connector: kafka, path: x}\n  c: prod-c\n  d: {connector: kafak}\n", `
d.yaml:2:6: streams.a: expected a path for the connector file, got none [wrong-value]
    2 |   a: {connector: file}
      |      ^
d.yaml:3:31: streams.b.path: the connector kafka has no path [wrong-value]
    3 |   b: {connector: kafka, path: x}
      |                               ^
d.yaml:4:6: streams.c: expected a map, got "prod-c" [wrong-type]
    4 |   c: prod-c
      |      ^~~~~~
d.yaml:5:18: streams.d.connector: expected one of kafka, file, devnull, got "kafak" [wrong-value]
    5 |   d: {connector: kafak}
      |                  ^~~~~
hint: did you mean "kafka"?`},
		{"references", "kafka:\n  group: ${env:GROUP}\n  brokers: \"${env:HOST}:9092\"\n  start: ${var:X}\n  tls: {ca: \"${file:no/such}\"}\n", `
d.yaml:2:10: variable GROUP is not set [missing-variable]
    2 |   group: ${env:GROUP}
      |          ^~~~~~~~~~~~
d.yaml:3:12: expected ${env:NAME} or ${file:/path} and nothing else in the value, got "${env:HOST}:9092" [bad-reference]
    3 |   brokers: "${env:HOST}:9092"
      |            ^~~~~~~~~~~~~~~~~~
d.yaml:4:10: expected ${env:NAME} or ${file:/path} and nothing else in the value, got "${var:X}" [bad-reference]
    4 |   start: ${var:X}
      |          ^~~~~~~~
d.yaml:5:13: open no/such: no such file or directory [missing-file]
    5 |   tls: {ca: "${file:no/such}"}
      |             ^~~~~~~~~~~~~~~`},
		{"sasl without TLS", "kafka:\n  sasl: {mechanism: PLAIN, username: u, password: '${env:SET}'}\n", `
d.yaml:2:9: kafka.sasl: expected TLS, without it the password can be read on the network [wrong-value]
hint: add tls: true, or insecure: true where the network is trusted`},
		{"sasl in part", "kafka:\n  tls: true\n  sasl:\n    mechanism: SCRAM-SHA-1\n", `
d.yaml:4:5: kafka.sasl.username: expected a username, got none [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |     ^
d.yaml:4:5: kafka.sasl.password: expected a password, got none [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |     ^
hint: password: "${env:KAFKA_PASSWORD}"
d.yaml:4:16: kafka.sasl.mechanism: expected one of SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, got "SCRAM-SHA-1" [wrong-value]
    4 |     mechanism: SCRAM-SHA-1
      |                ^~~~~~~~~~~
hint: did you mean "SCRAM-SHA-512"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse("d.yaml", []byte(c.in), environment(map[string]string{"SET": "x"}))
			if got := fmt.Sprint(err); got != strings.TrimPrefix(c.want, "\n") {
				t.Errorf("got\n%s\nwant%s", got, c.want)
			}
		})
	}
}

const canary = "hunter2-canary"

// Whatever is wrong with the file, no message shows what is secret: neither where a
// value comes from elsewhere, nor where somebody wrote it into the file itself.
//
// Fault: secret in a message -> goes on: no message shows one, wherever it stands in the file
func TestNoMessageShowsASecret(t *testing.T) {
	for name, in := range map[string]string{
		"plain":               "kafka: {tls: true, sasl: {username: u, password: " + canary + "}}",
		"plain beside others": "kafka: {sasl: {mechanism: X, username: 3, password: " + canary + ", pasword: 1}}",
		"block":               "kafka:\n  tls: true\n  sasl:\n    username: u\n    password: |\n      " + canary + "\n",
		"twice":               "kafka:\n  sasl:\n    password: '${env:C}'\n    password: " + canary + "\n",
		"syntax":              "kafka:\n  sasl: {password: " + canary + "\n lanes: 1\n",
		"tag":                 "kafka: {sasl: {password: !!str " + canary + "}}",
		"as a number":         "lanes: ${env:C}",
		"as a choice":         "kafka: {start: '${env:C}', brokers: '${env:C}', tls: '${env:C}', session_timeout: '${env:C}'}",
		"as a size":           "limits: {queue: '${env:C}'}",
		"as a map":            "streams: ${env:C}",
		"password of all":     "kafka: {sasl: {mechanism: '${env:C}', password: '${env:C}'}}",
		"in a longer text":    "kafka: {sasl: {password: 'x${env:C}'}}",
		"unknown stream":      "streams: {a: {connector: '${env:C}'}}",
		"SASL as text":        "kafka: {sasl: '${env:C}'}",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parse("d.yaml", []byte(in), environment(map[string]string{"C": canary}))
			if err == nil {
				t.Fatal("expected a mistake")
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the message shows it:\n%v", err)
			}
		})
	}
}

// Fault: secret in a message -> goes on: nor does a printed or encoded configuration
func TestSecretDoesNotShow(t *testing.T) {
	c, err := parse("d.yaml", []byte("kafka: {tls: true, sasl: {username: u, password: '${env:C}'}}"), environment(map[string]string{"C": canary}))
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{c, c.Kafka, c.Kafka.SASL, *c.Kafka.SASL, c.Kafka.SASL.Password} {
			if s := fmt.Sprintf(format, v); strings.Contains(s, canary) {
				t.Errorf("%s of %T: %s", format, v, s)
			}
		}
	}
	b, err := json.Marshal(c.Kafka.SASL)
	if err != nil || strings.Contains(string(b), canary) || !strings.Contains(string(b), "[redacted]") {
		t.Errorf("json: %s, %v", b, err)
	}
}

func pipeline() *plan.Plan {
	return &plan.Plan{Name: "metrics", Steps: []plan.Step{
		{Name: "in", Kind: plan.Source, Stream: "ingest", Connector: "kafka"},
		{Name: "out", Kind: plan.Sink, Stream: "results", Connector: "kafka"},
		{Name: "copy", Kind: plan.Sink, Stream: "copies", Connector: "devnull"},
	}}
}

func TestMatchRefusesStreamsThatThePipelineHasNot(t *testing.T) {
	c, err := parse("d.yaml", []byte("streams:\n  ingest: {topic: prod}\n  result: {topic: x}\n  nothing: {topic: x}\n"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	want := `d.yaml:4:3: streams.nothing: pipeline "metrics" has no such stream [unknown-stream]
hint: its streams are ingest, results, copies
d.yaml:3:3: streams.result: pipeline "metrics" has no such stream [unknown-stream]
hint: did you mean "results"?`
	if got := fmt.Sprint(c.Match(pipeline())); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	c.Lanes, c.Kafka.Start = 5000, "yesterday"
	want = "kafka.start: expected one of earliest, latest, got \"yesterday\" [wrong-value]\nlanes: expected 1 to 1024, got 5000 [wrong-value]"
	if got := fmt.Sprint(c.Match(pipeline())); got != want {
		t.Errorf("what the command line sets: got\n%s\nwant\n%s", got, want)
	}
}

// Dead letters that come back as input, or stand among results, are refused by what a
// stream is called in the end, not by its name in the plan.
func TestMatchRefusesADeadLetterStreamThatThePipelineUses(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"source": {"streams: {ingest: {topic: prod}}\ndead_letter:\n  topic: prod\n",
			`d.yaml:3:10: dead_letter.topic: expected a topic of its own, step "in" reads "prod" [dead-letter-stream]`},
		"sink": {"dead_letter: {topic: results}",
			`d.yaml:1:22: dead_letter.topic: expected a topic of its own, step "out" writes "results" [dead-letter-stream]`},
		"file": {"streams: {results: {connector: file, path: r}}\ndead_letter: {connector: file, path: r}",
			`d.yaml:2:38: dead_letter.path: expected a path of its own, step "out" writes "r" [dead-letter-stream]`},
		"another topic":      {"streams: {ingest: {topic: prod}}\ndead_letter: {topic: ingest}", "<nil>"},
		"topic of a devnull": {"dead_letter: {topic: copies}", "<nil>"},
	} {
		d, err := parse("d.yaml", []byte(c.in), environment(nil))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(d.Match(pipeline())); got != c.want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

func TestPlacement(t *testing.T) {
	c, err := parse("d.yaml", []byte("streams: {ingest: {topic: prod}, results: {connector: file, path: /tmp/r}}\nmemory: 1GiB\n"+
		"kafka: {instance_id: 'm-{ordinal}'}\ndead_letter: {topic: dlq}\nhealth: {listen: 127.0.0.1:1}\nstall: {exit_after: 0s}"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(c.Placement(pipeline()), jsontext.Multiline(false))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"pipeline":"metrics","group":"metrics","instance_id":"m-{ordinal}","brokers":["127.0.0.1:9092"],"out_of_range":"fail","lanes":1,"memory":"1GiB",` +
		`"limits":{"in_flight":"16MiB","queue":"4MiB","batch":"64MiB","chunk":1000},"stall":{"report_after":"30s","exit_after":"0s"},"health":{"listen":"127.0.0.1:1"},` +
		`"dead_letter":{"connector":"kafka","topic":"dlq","max_consecutive":1000,"max_ratio":0.25},` +
		`"streams":[{"step":"in","stream":"ingest","connector":"kafka","topic":"prod"},` +
		`{"step":"out","stream":"results","connector":"file","path":"/tmp/r"},` +
		`{"step":"copy","stream":"copies","connector":"devnull"}]}`
	if string(b) != want {
		t.Errorf("got\n%s\nwant\n%s", b, want)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"kafka: {brokers: a:1}", "limits: {queue: 1GiB}", "streams: {a: {topic: ${env:X}}}", "lanes: x", "dead_letter: {topic: d, max_ratio: .5}", "stall: {exit_after: 0}", "memory: 1GiB"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if strings.Contains(string(data), "${file:") {
			return // reads what it names
		}
		c, err := parse("d.yaml", data, environment(nil))
		if err == nil && c.Validate() != nil {
			t.Errorf("accepted, and not valid: %v", c.Validate())
		}
	})
}
