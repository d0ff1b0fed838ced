package levada_test

import (
	"fmt"
	"time"

	"github.com/levada-io/levada"
)

func Example() {
	p := levada.New("readings")
	p.Source("in", levada.Topic("readings")).
		Parse("parse", levada.JSON[Reading]()).
		Filter("hot", IsHot).
		Map("total", ToTotal).
		Serialize("print", levada.JSON[Total]()).
		Sink("out", levada.Topic("hot-readings"))

	plan, err := p.Plan() // levada.Main(p) in a program
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range plan.Steps {
		fmt.Println(s.Name, s.Kind)
	}
	// Output:
	// in source
	// parse map
	// hot filter
	// total map
	// print map
	// out sink
}

func ExampleSettings() {
	p := levada.New("readings")
	high := Above{Limit: 30}
	p.Source("in", levada.Topic("readings")).
		Parse("parse", levada.JSON[Reading]()).
		Filter("high", high.Apply, levada.Settings(high)).
		Serialize("print", levada.JSON[Reading]()).
		Sink("out", levada.Topic("high-readings"))

	plan, err := p.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	step, _ := plan.Step("high")
	fmt.Printf("%s\n", step.Function.Settings)
	// Output: {"limit":30}
}

func ExampleStream_Route() {
	to := func(name string) func(levada.Stream[Reading]) {
		return func(s levada.Stream[Reading]) {
			s.Serialize("print_"+name, levada.JSON[Reading]()).Sink("out_"+name, levada.Topic(name))
		}
	}
	p := levada.New("readings")
	p.Source("in", levada.Topic("readings")).
		Parse("parse", levada.JSON[Reading]()).
		Route("by_kind", KindOf).
		Case("temperature", to("temperatures")).
		Case("humidity", to("humidities")).
		Else(to("others"))

	plan, err := p.Plan()
	if err != nil {
		fmt.Println(err)
		return
	}
	step, _ := plan.Step("by_kind")
	for _, b := range step.Branches {
		fmt.Println(b.Name)
	}
	// Output:
	// temperature
	// humidity
	// otherwise
}

func ExampleStream_Batch() {
	p := levada.New("readings")
	p.Source("in", levada.Topic("readings")).
		Parse("parse", levada.JSON[Reading]()).
		Batch("gather", levada.Limit{Count: 100, Age: 5 * time.Second}). // Stream[[]Reading]
		Map("sum", Sum).
		Serialize("print", levada.JSON[Total]()).
		Sink("out", levada.Topic("sums"))
	_, err := p.Plan()
	fmt.Println(err)
	// Output: <nil>
}

func ExampleNewMessage() {
	m := levada.NewMessage(Reading{Value: 31}).WithKey([]byte("sensor-7"))
	hot, err := IsHot(m)
	fmt.Println(hot, err)
	// Output: true <nil>
}
