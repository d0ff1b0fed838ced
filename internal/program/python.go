package program

// Python is what the bridge offers to the planner; a binary without Python has none.
type Python interface {
	// Run makes one operator of neighbouring Python steps: one crossing per chunk,
	// f2(f1(m)) per message. It takes any column: raw bytes, Go values, frames,
	// objects. One call without a function is a conversion into the form.
	//
	// A run of filters only leaves the column as it was, whatever the form.
	Run(calls []Call, out Form) (Op, error)
	// Router makes a route whose function is in Python. cases are as for Bound.Router.
	Router(call Call, cases [][]byte, otherwise int) (Router, error)
}

// Call is one Python step of a run.
type Call struct {
	Step     string
	Kind     CallKind
	Function string // canonical: "py:<module>:<name>"; empty: payloads as they are
	// In is how payloads come to the function, of the first call of a run; nil: as what the
	// column has.
	In *Carriage
}

// CallKind says what a Python function's result means.
type CallKind int

// The kinds of calls.
const (
	CallMap CallKind = iota
	CallFilter
	CallFlatMap
)

// Form is the representation in which a column leaves an operator.
type Form struct {
	Kind FormKind
	Kit  Kit // of GoValues
	// Out is how results come back, into a column of the form; nil: as frames. The last call
	// of the run is no filter.
	Out *Carriage
}

// FormKind is the kind of a Form.
type FormKind int

// The forms.
const (
	// Raw is record.Bytes: every result must be bytes, or None for Kafka's null.
	Raw FormKind = iota
	// GoValues is a column of Kit's type.
	GoValues
	// Dynamic is a frame column of the layout any.
	Dynamic
	// Objects keeps the Python objects by handle.
	Objects
)
