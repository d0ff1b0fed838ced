// Package levada describes stream-processing pipelines in Go.
//
// A pipeline is a source, steps and sinks. Every step is a method of the stream that
// it reads from; the payload types are inferred, and a step that does not fit its
// neighbour does not compile:
//
//	p := levada.New("metrics")
//	p.Source("ingest", levada.Topic("ingest-metrics")).
//		Parse("parse", levada.JSON[Metric]()).
//		Filter("counters", IsCounter).
//		Map("transform", Transform).
//		Serialize("serialize", levada.JSON[Transformed]()).
//		Sink("out", levada.Topic("transformed-metrics"))
//	levada.Main(p)
//
// A step's function takes a [Message] and returns a value or an error. It is an
// exported function of a package, so that Python and YAML pipelines can name it too;
// or a method Apply of an exported struct whose fields are its settings (see
// [Settings]); or, in Go alone, a closure. What a step does with the result depends on
// the step: Map passes it on, Filter needs a bool, FlatMap a slice, Route a key.
//
// A pipeline only describes. [Pipeline.Plan] gives the plan, which is the same as that
// of the same pipeline in Python or YAML; [Main] checks, explains or runs it.
//
// # Errors
//
// Mistakes that the compiler can not see, such as a name given twice, are kept and
// reported by Plan all together, each with the line of the step.
package levada
