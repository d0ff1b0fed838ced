package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/levada-io/levada/internal/schema"
	"github.com/levada-io/levada/internal/typing"
	"github.com/levada-io/levada/plan"
)

type schemaDiffCmd struct {
	locked    `embed:""`
	Old       string   `arg:"" type:"existingdir" help:"Folder of schemas as it was."`
	New       string   `arg:"" optional:"" help:"Folder of schemas as it is; default: the one of the lock."`
	Need      string   `enum:"full,backward,forward,none" default:"full" help:"What every topic has to be: full, backward (new readers, old messages), forward (old readers, new messages) or none." placeholder:"full"`
	Pipelines []string `name:"pipeline" help:"A pipeline (.py, .yaml, or the plan of one as .json) that reads the topics; may be repeated." placeholder:"FILE"`
	Python    string   `help:"Interpreter for pipelines in Python or with steps in it." placeholder:"PATH"`
}

func (c *schemaDiffCmd) Run(e *env) error {
	old, now, err := c.sides()
	if err != nil {
		return err
	}
	count := map[string]int{}
	short := 0
	changes := schema.Diff(old, now)
	for _, ch := range changes {
		switch {
		case ch.Before == nil:
			count["new"]++
			fmt.Fprintf(e.stdout, "%s (%s): new\n", ch.Topic, ch.After)
			continue
		case ch.After == nil:
			count["removed"]++
			short++
			fmt.Fprintf(e.stdout, "%s (%s): removed\n", ch.Topic, ch.Before)
			continue
		}
		is := ch.Changes.Compatibility()
		count[is]++
		if !enough(ch.Changes, c.Need) {
			short++
		}
		fmt.Fprintf(e.stdout, "%s (%s): %s\n", ch.Topic, ch.After, is)
		for _, one := range ch.Changes {
			fmt.Fprintf(e.stdout, "  %s: %s (%s)\n", one.Path, one.Text, typing.Changes{one}.Compatibility())
		}
		if ch.Beyond {
			fmt.Fprintln(e.stdout, "  types and rules are as they were; the schema says something else where they do not look")
		}
	}
	broken := 0
	for _, name := range c.Pipelines {
		n, err := c.pipeline(e, name, old, now)
		if err != nil {
			return err
		}
		broken += n
	}
	fmt.Fprintf(e.stdout, "topics=%d full=%d backward=%d forward=%d none=%d new=%d removed=%d broken=%d\n", len(changes),
		count["full"], count["backward"], count["forward"], count["none"], count["new"], count["removed"], broken)
	switch {
	case broken > 0:
		return configError{fmt.Errorf("expected pipelines that read what the new schemas allow, got %s that can not", many(broken, "step"))}
	case short > 0 && c.Need != "none":
		return configError{fmt.Errorf("expected schemas whose changes are %s, got %s where they are not\nhint: --need backward, forward or none says that less is enough", c.Need, many(short, "topic"))}
	}
	return nil
}

func many(n int, what string) string {
	if n > 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// enough says whether changes are at least what is needed.
func enough(cs typing.Changes, need string) bool {
	switch need {
	case "backward":
		return cs.Backward()
	case "forward":
		return cs.Forward()
	case "none":
		return true
	}
	return cs.Backward() && cs.Forward()
}

func (c *schemaDiffCmd) sides() (old, now *schema.Types, err error) {
	var names map[string]string
	folder, pattern := c.New, ""
	if folder == "" {
		l, err := c.read()
		if err != nil {
			return nil, nil, err
		}
		folder, pattern, names = l.Source, l.Pattern, l.Names
	} else if info, err := os.Stat(folder); err != nil || !info.IsDir() {
		return nil, nil, usage("%s: expected a folder of schemas, got none", folder)
	}
	if old, err = schema.ReadTypes(os.DirFS(c.Old), relative(c.Old), pattern, names); err != nil {
		return nil, nil, configError{err}
	}
	if now, err = schema.ReadTypes(os.DirFS(folder), folder, pattern, names); err != nil {
		return nil, nil, configError{err}
	}
	return old, now, nil
}

// pipeline prints which steps of a pipeline can not read what the new schemas allow.
func (c *schemaDiffCmd) pipeline(e *env, name string, old, now *schema.Types) (int, error) {
	pl, err := c.plan(e, name)
	if err != nil {
		return 0, err
	}
	broken := 0
	stream := map[string]string{} // of each step that has the messages of a stream as they came
	for _, s := range pl.Steps {
		switch s.Kind {
		case plan.Source:
			stream[s.Name] = s.Stream
		case plan.Filter, plan.Broadcast, plan.Route, plan.KeyBy:
			stream[s.Name] = stream[s.Input]
		}
		topic := stream[s.Input]
		if s.Type == "" || topic == "" {
			continue
		}
		for i, ch := range schema.Breaks(plan.Type{Kind: plan.TRef, Name: s.Type}, pl.Types, topic, old, now) {
			if i == 0 {
				broken++
				fmt.Fprintf(e.stdout, "%s: step %q (%s) can not read %s:\n", name, s.Name, s.Origin, topic)
			}
			fmt.Fprintf(e.stdout, "  %s: %s\n", ch.Path, ch.Text)
		}
	}
	return broken, nil
}

func (c *schemaDiffCmd) plan(e *env, name string) (*plan.Plan, error) {
	if strings.HasSuffix(name, ".json") {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, usage("%s: expected the plan of a pipeline: %v", name, err)
		}
		pl, err := plan.Decode(data)
		if err != nil {
			return nil, configError{fmt.Errorf("%s: expected the plan of a pipeline: %w", name, err)}
		}
		return pl, nil
	}
	p, err := open(&pipelineFlags{File: name, Python: c.Python})
	if err != nil {
		return nil, err
	}
	return p.read(e)
}
