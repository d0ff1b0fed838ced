package main

import (
	"encoding/json/v2"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/levada-io/levada/broker"
)

type brokerCmd struct {
	Addr  string   `default:"127.0.0.1:9092" help:"Loopback address to listen on; port 0 takes a free one." placeholder:"HOST:PORT"`
	Dir   string   `help:"Folder that keeps the data; by default it is gone when the broker stops." type:"path"`
	Topic []string `help:"Topic to create, with its partitions (1 by default); may be repeated." placeholder:"NAME[:N]"`
	JSON  bool     `name:"json" help:"Print the address as JSON."`
}

// Run serves until a signal.
func (c *brokerCmd) Run(e *env) error {
	topics, err := parseTopics(c.Topic)
	if err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	b, err := startBroker(e, broker.Options{Addr: c.Addr, Dir: c.Dir, Topics: topics})
	if err != nil {
		return err
	}
	if c.JSON {
		out, err := json.Marshal(struct {
			Address string `json:"address"`
		}{b.Addr()})
		if err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "%s\n", out)
	} else {
		fmt.Fprintf(e.stdout, "levada: embedded Kafka on %s, for trying out and for tests; Ctrl-C stops it\n", b.Addr())
	}
	<-signals
	return b.Close()
}

func startBroker(e *env, o broker.Options) (*broker.Broker, error) {
	o.Log = func(format string, args ...any) { fmt.Fprintf(e.stderr, "levada: "+format+"\n", args...) }
	return broker.Start(o)
}

func parseTopics(specs []string) (map[string]int32, error) {
	topics := make(map[string]int32, len(specs))
	for _, spec := range specs {
		name, count, given := strings.Cut(spec, ":")
		n := int64(1)
		if given {
			var err error
			if n, err = strconv.ParseInt(count, 10, 32); err != nil || n < 1 {
				return nil, usage("--topic %s: expected NAME:PARTITIONS with at least 1 partition, got %q", spec, count)
			}
		}
		if name == "" {
			return nil, usage("--topic %s: expected a name in front of the colon", spec)
		}
		topics[name] = int32(n)
	}
	return topics, nil
}
