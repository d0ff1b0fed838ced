// Command codecs measures Levada's JSON codec against encoding/json/v2 and goccy/go-json,
// each from bytes to a struct and back, in interleaved rounds. What counts is the CPU time
// of the process, so that the collector's work on other cores is in it.
package main

import (
	stdjson "encoding/json/v2"
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	goccy "github.com/goccy/go-json"

	bench_steps "github.com/levada-io/levada/bench/crossing/steps"
	"github.com/levada-io/levada/codec/json"
	"github.com/levada-io/levada/internal/frame"
)

func main() {
	rounds := flag.Int("rounds", 15, "rounds")
	each := flag.Duration("each", 60*time.Millisecond, "about how long one contestant runs in a round")
	only := flag.String("only", "", "a pattern of what is measured; empty: all")
	result := flag.String("result", "", "file for the results")
	flag.Parse()
	frame.RegisterMap[bench_steps.Attribute]() // as the generated main of an extension does
	if err := bench(*rounds, *each, *only, *result); err != nil {
		fmt.Fprintln(os.Stderr, "bench codecs:", err)
		os.Exit(1)
	}
}

// contestant does a job n times.
type contestant struct {
	name string
	run  func(n int) error
}

// job is what contestants are compared at; the first one is Levada's.
type job struct {
	name string
	all  []contestant
}

func bench(rounds int, each time.Duration, only, result string) error {
	chosen, err := regexp.Compile(only)
	if err != nil {
		return err
	}

	metric, err := jobs("metric", metric())
	if err != nil {
		return err
	}
	span, err := jobs("span", span())
	if err != nil {
		return err
	}
	ruled, err := checked()
	if err != nil {
		return err
	}
	some, err := glimpse()
	if err != nil {
		return err
	}
	others, err := formats()
	if err != nil {
		return err
	}
	bySchema, err := described()
	if err != nil {
		return err
	}
	framed, err := frames()
	if err != nil {
		return err
	}
	var text, last strings.Builder
	fmt.Fprintf(&text, "JSON to a struct and back, process CPU, medians of %d interleaved rounds\n%s, %d CPUs\n\n", rounds, runtime.Version(), runtime.NumCPU())
	for _, j := range slices.Concat(metric, span, ruled, some, others, bySchema, framed) {
		if !chosen.MatchString(j.name) {
			continue
		}
		ns := map[string][]float64{}
		times := make([]int, len(j.all))
		for i, c := range j.all {
			if times[i], err = enough(c, each); err != nil {
				return fmt.Errorf("%s, %s: %w", j.name, c.name, err)
			}
		}
		for range rounds {
			for i, c := range j.all {
				took, err := cpu(c, times[i])
				if err != nil {
					return fmt.Errorf("%s, %s: %w", j.name, c.name, err)
				}
				ns[c.name] = append(ns[c.name], float64(took)/float64(times[i]))
			}
		}
		fmt.Fprintf(&text, "%-32s", j.name)
		for _, c := range j.all {
			fmt.Fprintf(&text, "  %s %6.0f ns", c.name, median(ns[c.name]))
		}
		text.WriteByte('\n')
		ours := j.all[0].name
		for _, c := range j.all[1:] {
			ratios := make([]float64, rounds)
			for r := range ratios {
				ratios[r] = ns[ours][r] / ns[c.name][r]
			}
			fmt.Fprintf(&last, "%s_%s_ratio=%.2f ", strings.ReplaceAll(j.name, " ", "_"), c.name, median(ratios))
		}
	}
	fmt.Fprintf(&text, "\n%s\n", strings.TrimSpace(last.String()))
	fmt.Print(text.String())
	if result != "" {
		return os.WriteFile(result, []byte(text.String()), 0o644)
	}
	return nil
}

// enough is how often a contestant has to run to take about so long.
func enough(c contestant, each time.Duration) (int, error) {
	for n := 100; ; n *= 2 {
		began := time.Now()
		if err := c.run(n); err != nil {
			return 0, err
		}
		if took := time.Since(began); took > each/8 {
			return max(1, int(int64(n)*int64(each)/int64(took))), nil
		}
	}
}

func cpu(c contestant, n int) (time.Duration, error) {
	runtime.GC() // nobody pays for the one before
	began := spent()
	err := c.run(n)
	return spent() - began, err
}

// spent is the CPU time of the process so far.
func spent() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("BUG: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// jobs are decoding and encoding of one record.
func jobs[T any](name string, v T) ([]job, error) {
	b, err := json.New().Bind(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	text, err := b.Append(nil, &v)
	if err != nil {
		return nil, err
	}
	decode := func(name string, f func(src []byte, dst *T) error) contestant {
		return contestant{name, func(n int) error {
			for range n {
				var x T
				if err := f(text, &x); err != nil {
					return err
				}
			}
			return nil
		}}
	}
	// The others make a slice for each value; a pipeline writes those of a chunk behind
	// each other.
	encode := func(name string, f func(buf []byte, v *T) ([]byte, error)) contestant {
		return contestant{name, func(n int) error {
			buf := make([]byte, 0, 2*len(text))
			for range n {
				if out, err := f(buf, &v); err != nil || len(out) < len(text)/2 {
					return fmt.Errorf("wrote %d bytes: %w", len(out), err)
				}
			}
			return nil
		}}
	}
	return []job{
		{name + " decode", []contestant{
			decode("levada", func(src []byte, dst *T) error { return b.Decode(src, dst) }),
			decode("v2", func(src []byte, dst *T) error { return stdjson.Unmarshal(src, dst) }),
			decode("goccy", func(src []byte, dst *T) error { return goccy.Unmarshal(src, dst) }),
		}},
		{name + " encode", []contestant{
			encode("levada", func(buf []byte, v *T) ([]byte, error) { return b.Append(buf, v) }),
			encode("v2", func(_ []byte, v *T) ([]byte, error) { return stdjson.Marshal(v, stdjson.Deterministic(true)) }),
			encode("goccy", func(_ []byte, v *T) ([]byte, error) { return goccy.Marshal(v) }),
		}},
	}, nil
}

// ruledMetric is a Metric with rules at every member that could have some.
type ruledMetric struct {
	OrgID         uint64            `json:"org_id" levada:"min=1"`
	ProjectID     uint64            `json:"project_id" levada:"min=1"`
	Name          string            `json:"name" levada:"minlen=1,maxlen=200,pattern=^[a-z]:[a-z]+/[a-z_]+@[a-z]+$"`
	Tags          map[string]string `json:"tags" levada:"maxlen=50"`
	Timestamp     int64             `json:"timestamp" levada:"min=0,max=4102444800"`
	RetentionDays int64             `json:"retention_days" levada:"enum=30|60|90"`
	Type          string            `json:"type" levada:"enum=c|d|g|s"`
	Value         float64           `json:"value" levada:"min=-1e300,max=1e300"`
	Transformed   bool              `json:"transformed,omitzero"`
}

type ruledAttribute struct {
	Type  string `json:"type" levada:"enum=boolean|double|integer|string"`
	Value any    `json:"value"`
}

type ruledLink struct {
	TraceID    string         `json:"trace_id" levada:"pattern=^[0-9a-f]{32}$"`
	SpanID     string         `json:"span_id" levada:"pattern=^[0-9a-f]{16}$"`
	Sampled    bool           `json:"sampled"`
	Attributes map[string]any `json:"attributes" levada:"maxlen=100"`
}

// ruledSpan is a Span with rules.
type ruledSpan struct {
	OrganizationID uint64                    `json:"organization_id" levada:"min=1"`
	ProjectID      uint64                    `json:"project_id" levada:"min=1"`
	TraceID        string                    `json:"trace_id" levada:"pattern=^[0-9a-f]{32}$"`
	SpanID         string                    `json:"span_id" levada:"pattern=^[0-9a-f]{16}$"`
	ParentSpanID   *string                   `json:"parent_span_id" levada:"pattern=^[0-9a-f]{16}$"`
	Name           string                    `json:"name" levada:"minlen=1,maxlen=1000"`
	Status         string                    `json:"status" levada:"enum=error|ok"`
	IsRemote       bool                      `json:"is_remote"`
	StartTimestamp float64                   `json:"start_timestamp" levada:"min=0"`
	EndTimestamp   float64                   `json:"end_timestamp" levada:"min=0"`
	RetentionDays  int64                     `json:"retention_days" levada:"min=1,max=90"`
	Received       float64                   `json:"received" levada:"min=0"`
	Attributes     map[string]ruledAttribute `json:"attributes" levada:"maxlen=1000"`
	Links          []ruledLink               `json:"links" levada:"maxlen=100"`
	Meta           map[string]string         `json:"meta" levada:"maxlen=100"`
}

// glimpse reads one member of a span against all of it: what a filter costs that takes a
// struct with the member it looks at.
func glimpse() ([]job, error) {
	whole, err := jobs("span one member", span())
	if err != nil {
		return nil, err
	}
	type status struct {
		Status string `json:"status"`
	}
	all, err := json.New().Bind(reflect.TypeFor[bench_steps.Span]())
	if err != nil {
		return nil, err
	}
	v := span()
	text, err := all.Append(nil, &v)
	if err != nil {
		return nil, err
	}
	b, err := json.New().Bind(reflect.TypeFor[status]())
	if err != nil {
		return nil, err
	}
	decode := whole[0]
	decode.all = []contestant{{"levada", func(n int) error {
		for range n {
			var x status
			if err := b.Decode(text, &x); err != nil {
				return err
			}
		}
		return nil
	}}, decode.all[0]}
	decode.all[1].name = "whole"
	return []job{decode}, nil
}

// checked are the types with rules against the same ones without.
func checked() ([]job, error) {
	frame.RegisterMap[ruledAttribute]()
	metric, err := against[ruledMetric]("metric rules", metric())
	if err != nil {
		return nil, err
	}
	span, err := against[ruledSpan]("span rules", span())
	return append(metric, span...), err
}

// against compares the type R with the type of v, whose JSON it reads.
func against[R, T any](name string, v T) ([]job, error) {
	free, err := jobs(name, v)
	if err != nil {
		return nil, err
	}
	b, err := json.New().Bind(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	text, err := b.Append(nil, &v)
	if err != nil {
		return nil, err
	}
	with, err := json.New().Bind(reflect.TypeFor[R]())
	if err != nil {
		return nil, err
	}
	var r R
	if err := with.Decode(text, &r); err != nil {
		return nil, err
	}
	ruled, err := jobs(name, r)
	if err != nil {
		return nil, err
	}
	for i := range ruled {
		plain := free[i].all[0]
		plain.name = "without"
		ruled[i].all = []contestant{ruled[i].all[0], plain}
	}
	return ruled, nil
}

// The records are those of the crossing.

func metric() bench_steps.Metric {
	return bench_steps.Metric{
		OrgID: 1, ProjectID: 3, Name: "c:sessions/session@none",
		Tags: map[string]string{
			"sdk": "raven-node/2.6.3", "environment": "production",
			"release": "sentry-test@1.0.0", "session.status": "init",
		},
		Timestamp: 1_700_000_000, RetentionDays: 90, Type: "c", Value: 1.5,
	}
}

func span() bench_steps.Span {
	attributes := map[string]bench_steps.Attribute{
		"attribute.integer": {Type: "integer", Value: int64(50)},
		"attribute.double":  {Type: "double", Value: 2.5},
		"attribute.flag":    {Type: "boolean", Value: true},
	}
	for i := range 14 {
		attributes[fmt.Sprintf("attribute.number.%d", i)] = bench_steps.Attribute{Type: "string", Value: fmt.Sprintf("the value of number %d", i)}
	}
	return bench_steps.Span{
		OrganizationID: 1, ProjectID: 1, TraceID: "6cf173d587eb48568a9b2e12dcfbea52", SpanID: "438f40bd3b4a41ee",
		Name: "GET http://app.test/api/0/organizations/", Status: "ok", IsRemote: true,
		StartTimestamp: 1_742_921_669.158209, EndTimestamp: 1_742_921_669.180536, RetentionDays: 90, Received: 1_742_921_669.25,
		Attributes: attributes,
		Links: []bench_steps.Link{{
			TraceID: "627a2885119dcc8184fae7eef09438cb", SpanID: "6c71fc6b09b8b716", Sampled: true,
			Attributes: map[string]any{"link.type": "parent", "dropped": int64(4)},
		}},
		Meta: map[string]string{"origin": "auto.http", "version": "2.1"},
	}
}

func median(v []float64) float64 { return slices.Sorted(slices.Values(v))[len(v)/2] }
