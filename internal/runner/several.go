package runner

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/levada-io/levada/internal/deploy"
	"github.com/levada-io/levada/internal/processes"
)

// Several runs a command as several processes and returns when all have ended. The error
// has the exit code of the first that failed, which has said why.
func Several(n int, argv []string, stdout, stderr io.Writer) error {
	err := processes.Run(processes.Options{Count: n, Argv: argv, Stdout: stdout, Stderr: stderr})
	if e, ok := errors.AsType[*processes.Ended](err); ok && e.Code >= 0 {
		return &exitError{e.Code, err}
	}
	return err
}

// CheckSeveral says what is wrong with a number of processes and what else the command
// line asks of them.
func CheckSeveral(n int, summary string) error {
	switch {
	case n < 1 || n > processes.Max:
		return usage("run: --processes: expected 1 to %d, got %d", processes.Max, n)
	case n > 1 && summary != "":
		return usage("run: --processes and --summary: expected one of them, got both\nhint: each process counts for itself; --lanes keeps all in one")
	}
	return nil
}

// several starts this program again, as often as f says, with the same flags.
func several(o *Options, f *flags, fs *flag.FlagSet) error {
	if err := CheckSeveral(f.processes, f.summary); err != nil {
		return err
	}
	if o.Program == "" {
		return usage("run: --processes: expected a program that can start itself again\n" +
			"hint: levada run FILE --processes N; a program in Go calls levada.Main")
	}
	argv := []string{o.Program, "run"}
	fs.Visit(func(fl *flag.Flag) {
		if fl.Name != "processes" {
			argv = append(argv, "--"+fl.Name+"="+fl.Value.String())
		}
	})
	return Several(f.processes, argv, o.Stdout, o.Stderr)
}

// number gives this process what it may share with no other: its instance id, and where
// it tells its health.
func number(d *deploy.Config) error {
	index, several := os.LookupEnv(processes.Index)
	switch id := d.Kafka.InstanceID; {
	case strings.Contains(id, deploy.Ordinal):
		host, _ := os.Hostname()
		n, ok := processes.OrdinalOf(os.LookupEnv, host)
		if !ok {
			got := fmt.Sprintf("the host %q", host)
			if text, set := os.LookupEnv(processes.Ordinal); set {
				got = fmt.Sprintf("%s=%q", processes.Ordinal, text)
			}
			return config(fmt.Errorf("kafka.instance_id: %q: expected a host name that ends in a dash and a number, or that number in %s, got %s\n"+
				"hint: a StatefulSet names its hosts so; without numbers that stay, leave instance_id out", id, processes.Ordinal, got))
		}
		d.Kafka.InstanceID = strings.ReplaceAll(id, deploy.Ordinal, strconv.Itoa(n))
	case id != "" && several:
		return config(fmt.Errorf("kafka.instance_id: %q: expected %s in it, since --processes starts several members\nhint: instance_id: %q",
			id, deploy.Ordinal, id+"-"+deploy.Ordinal))
	}
	i, err := strconv.Atoi(index)
	if !several || err != nil {
		return nil
	}
	if d.Health.File != "" {
		d.Health.File += "." + index
	}
	host, port, err := net.SplitHostPort(d.Health.Listen)
	if err != nil || port == "0" {
		return nil // none, or any that is free
	}
	p, err := strconv.Atoi(port)
	if err != nil || p+i > 65535 {
		return config(fmt.Errorf("health.listen: process %d: expected a port up to 65535, got %s and %d more", i, port, i))
	}
	d.Health.Listen = net.JoinHostPort(host, strconv.Itoa(p+i))
	return nil
}
