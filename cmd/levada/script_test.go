package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json/v2"
	"errors"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/twmb/franz-go/pkg/sr"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"github.com/levada-io/levada/broker"
	"github.com/levada-io/levada/connector"
	"github.com/levada-io/levada/connector/kafka"
	"github.com/levada-io/levada/internal/deadletter"
	"github.com/levada-io/levada/internal/testing/saslkafka"
	"github.com/levada-io/levada/record"
)

var update = flag.Bool("update", false, "write the scripts' golden files anew")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"levada": main})
}

// TestScripts runs the command as a person does. The scripts in testdata/script need
// the project's own Python: make setup.
func TestScripts(t *testing.T) {
	python, err := filepath.Abs(filepath.Join("..", "..", ".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("go", "env", "-json", "GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := map[string]string{}
	if err := json.Unmarshal(out, &caches); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:           filepath.Join("testdata", "script"),
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("PYTHON", python)
			e.Setenv("GOTOOLCHAIN", os.Getenv("GOTOOLCHAIN"))
			// A script has a home of its own, and Go's caches are not in it.
			for name, value := range caches {
				e.Setenv(name, value)
			}
			e.Setenv("LEVADA", root)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			if cond != "python" {
				return false, errors.New("unknown condition " + cond)
			}
			_, err := os.Stat(python)
			return err == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits":     exits,
			"broker":    startEmbedded,
			"nokafka":   startOther,
			"sasl":      startSASL,
			"tombstone": writeNull,
			"committed": committed,
			"letters":   writeLetters,
			"small":     createSmall,
			"registry":  startRegistry,
			"subject":   setSubject,
			"answers":   startAnswers,
		},
	})
}

// registry [USER:PASSWORD] starts a schema registry, which has its address in REGISTRY.
func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	var opts []srfake.Option
	if len(args) == 1 {
		opts = append(opts, srfake.WithAuth("Basic "+base64.StdEncoding.EncodeToString([]byte(args[0]))))
	}
	if neg || len(args) > 1 {
		ts.Fatalf("usage: registry [USER:PASSWORD]")
	}
	r := srfake.New(opts...)
	ts.Setenv("REGISTRY", r.URL())
	ts.Defer(r.Close)
}

// answers CODE TEXT starts an HTTP server that answers everything with that, which has its
// address in REGISTRY.
func startAnswers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers CODE TEXT")
	}
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, args[1]) // whoever has hung up knows it
	}))
	ts.Setenv("REGISTRY", s.URL)
	ts.Defer(s.Close)
}

// subject NAME [TYPE FILE [REFERENCE=SUBJECT:VERSION...]] adds a version to a subject, or
// deletes it.
func setSubject(ts *testscript.TestScript, neg bool, args []string) {
	cl, err := sr.NewClient(sr.URLs(ts.Getenv("REGISTRY")))
	ts.Check(err)
	switch {
	case !neg && len(args) == 1:
		_, err = cl.DeleteSubject(context.Background(), args[0], sr.SoftDelete)
	case !neg && len(args) >= 3:
		s := sr.Schema{Schema: ts.ReadFile(args[2])}
		ts.Check(s.Type.UnmarshalText([]byte(args[1])))
		for _, arg := range args[3:] {
			eq, colon := strings.LastIndexByte(arg, '='), strings.LastIndexByte(arg, ':')
			version, err := strconv.Atoi(arg[colon+1:])
			if err != nil || eq < 0 || colon < eq {
				ts.Fatalf("expected REFERENCE=SUBJECT:VERSION, got %s", arg)
			}
			s.References = append(s.References, sr.SchemaReference{Name: arg[:eq], Subject: arg[eq+1 : colon], Version: version})
		}
		_, err = cl.CreateSchema(context.Background(), args[0], s)
	default:
		ts.Fatalf("usage: subject NAME [TYPE FILE [REFERENCE=SUBJECT:VERSION...]]")
	}
	ts.Check(err)
}

// exits CODE PROGRAM ARGS... runs a program and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		got = ended.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("expected exit code %d, got %d", want, got)
	}
}

// broker TOPIC[:N]... starts an embedded Kafka for the script; $BROKER is its address.
func startEmbedded(ts *testscript.TestScript, _ bool, args []string) {
	topics, err := parseTopics(args)
	ts.Check(err)
	b, err := broker.Start(broker.Options{Topics: topics})
	ts.Check(err)
	ts.Setenv("BROKER", b.Addr())
	ts.Defer(func() { ts.Check(b.Close()) })
}

// nokafka starts a server on $OTHER that is no Kafka: it greets as one for mail does.
func startOther(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: nokafka")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv("OTHER", ln.Addr().String())
	var served sync.WaitGroup
	served.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return // closed
			}
			served.Go(func() {
				defer c.Close()
				// A peer that is gone already has its answer.
				_, _ = io.WriteString(c, "220 mail.example.com ESMTP\r\n")
				_, _ = io.ReadFull(c, make([]byte, 4))
			})
		}
	})
	ts.Defer(func() {
		ts.Check(ln.Close())
		served.Wait()
	})
}

// sasl USER PASSWORD TOPIC... starts a Kafka that lets in nobody else; $BROKER is its
// address.
func startSASL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: sasl USER PASSWORD TOPIC...")
	}
	addr, stop, err := saslkafka.Start(args[0], args[1], args[2:]...)
	ts.Check(err)
	ts.Setenv("BROKER", addr)
	ts.Defer(stop)
}

// tombstone TOPIC writes a record whose value is null, as no line of text can be.
func writeNull(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: tombstone TOPIC")
	}
	ctx := context.Background()
	s, err := kafka.Open(ctx, &kafka.Options{Brokers: []string{ts.Getenv("BROKER")}})
	ts.Check(err)
	sink, err := s.Sink(ctx, connector.SinkConfig{Step: "tombstone", Stream: args[0]})
	ts.Check(err)
	done := make(chan error, 1)
	sink.Write([]record.Record{{Key: []byte("k")}}, func(err error) { done <- err })
	ts.Check(errors.Join(sink.Flush(ctx), <-done, s.Close(ctx)))
}

// letters TOPIC FILE writes dead letters: a JSON object per line with the fields of a
// letter, those of the record in Original, and its partition in the topic of the letters
// in At. Texts stand for bytes.
func writeLetters(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: letters TOPIC FILE")
	}
	var recs []record.Record
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		var in struct {
			deadletter.Letter
			At          int32
			Key, Value  string
			Headers     [][2]string
			ValueBase64 []byte
			Times       int // the value repeated
		}
		ts.Check(json.Unmarshal([]byte(line), &in))
		// A time that no retention reaches while a script runs.
		in.Original = record.Record{Value: bytes.Repeat([]byte(in.Value), max(in.Times, 1)), Timestamp: time.Date(2100, 1, 2, 3, 4, 5, 0, time.UTC)}
		if in.ValueBase64 != nil {
			in.Original.Value = in.ValueBase64
		}
		if in.Key != "" {
			in.Original.Key = []byte(in.Key)
		}
		for _, h := range in.Headers {
			in.Original.Headers = append(in.Original.Headers, record.Header{Key: h[0], Value: []byte(h[1])})
		}
		r := in.Letter.Record()
		r.Partition = in.At
		recs = append(recs, r)
	}
	ctx := context.Background()
	a, err := kafka.NewAdmin(&kafka.Options{Brokers: []string{ts.Getenv("BROKER")}})
	ts.Check(err)
	sink, err := a.PlacedSink(ctx, args[0])
	ts.Check(err)
	done := make(chan error, 1)
	sink.Write(recs, func(err error) { done <- err })
	ts.Check(errors.Join(sink.Flush(ctx), <-done, a.Close(ctx)))
}

// small TOPIC BYTES creates a topic that takes no larger records.
func createSmall(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: small TOPIC BYTES")
	}
	ctx := context.Background()
	a, err := kafka.NewAdmin(&kafka.Options{Brokers: []string{ts.Getenv("BROKER")}})
	ts.Check(err)
	ts.Check(errors.Join(a.CreateTopic(ctx, args[0], 1, map[string]string{"max.message.bytes": args[1]}), a.Close(ctx)))
}

// committed GROUP TOPIC OFFSET checks where a group would go on in partition 0; "<=N" where
// it may lie before, since what is delivered together is committed together.
func committed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: committed GROUP TOPIC [<=]OFFSET")
	}
	most, atMost := strings.CutPrefix(args[2], "<=")
	want, err := strconv.ParseInt(most, 10, 64)
	ts.Check(err)
	ctx := context.Background()
	a, err := kafka.NewAdmin(&kafka.Options{Brokers: []string{ts.Getenv("BROKER")}})
	ts.Check(err)
	ps, err := a.Positions(ctx, args[1], args[0])
	ts.Check(errors.Join(err, a.Close(ctx)))
	if got := ps[0].Committed; got != want && !(atMost && got < want) {
		ts.Fatalf("group %s, %s[0]: expected %s to be committed, got %d", args[0], args[1], args[2], got)
	}
}
