package record

// Span says which source offsets of one partition a chunk accounts for: Lo up to,
// not including, Hi, of the assignment with that epoch.
type Span struct {
	Topic     string
	Partition int32
	Epoch     int64 // counts assignments of this partition to this process
	Lo, Hi    int64
}

// Column is the payload of every element of a chunk in one representation: raw
// bytes, a typed Go slice, frames, or Python objects.
type Column interface {
	// Len is the number of elements.
	Len() int
	// Size estimates the bytes held, for budgets.
	Size() int
	// Select returns a column with the elements at idx, in that order. The old
	// column is not used afterwards unless it was cloned.
	Select(idx []int32) Column
}

// Batcher is a Column that the batch step can collect: Batch returns a column of
// one element, the list of all elements of the pieces, in order. Every piece has
// the type of the receiver, which is pieces[0].
type Batcher interface {
	Batch(pieces []Column) Column
}

// Cloner is a Column whose elements may be changed through the column, so that
// branches of a broadcast need a copy each.
type Cloner interface {
	Clone() Column
}

// Releaser is a Column that holds something the garbage collector does not free.
type Releaser interface {
	Release()
}

// Failure is an element that a step could not handle. The operator takes it out of
// the chunk and reports it; the engine applies the step's policy.
type Failure struct {
	Source  *Record // record that the element came from
	Step    string  // name of the step
	Err     error
	Element int  // of the chunk as the operator got it
	Call    bool // a function of the user failed: called again, it may not
}

// Chunk is the engine's unit of work: what was queued, over several partitions.
//
// Element i has the payload Col[i] and the metadata Meta(i). Filters and flat maps
// change the number of elements; Origin leads each back to its source record.
type Chunk struct {
	Spans  []Span
	Recs   []Record  // source records
	Origin []int32   // element -> index in Recs; nil: element i is record i
	Over   []*Record // metadata that a step has set, per element; nil: none has
	// Trace leads each element back to the one that the running operator got; nil: it is
	// the same one. The engine sets it, Keep keeps it.
	Trace  []int32
	Col    Column
	Failed []Failure // elements taken out by an operator because they failed
}

// Len is the number of elements.
func (c *Chunk) Len() int { return c.Col.Len() }

// Source is the record that element i comes from.
func (c *Chunk) Source(i int) *Record {
	if c.Origin != nil {
		i = int(c.Origin[i])
	}
	return &c.Recs[i]
}

// Meta is the key, headers, timestamp and position of element i.
func (c *Chunk) Meta(i int) *Record {
	if c.Over != nil && c.Over[i] != nil {
		return c.Over[i]
	}
	return c.Source(i)
}

// SetMeta makes rec the metadata of element i.
func (c *Chunk) SetMeta(i int, rec *Record) {
	if rec == c.Meta(i) {
		return
	}
	if c.Over == nil {
		c.Over = make([]*Record, c.Len())
	}
	c.Over[i] = rec
}

// Fail reports that element i could not be handled, and never can: its bytes are at
// fault. The operator then leaves it out of what it Keeps.
func (c *Chunk) Fail(i int, step string, err error) { c.fail(i, step, err, false) }

// FailCall is Fail where a function of the user failed.
func (c *Chunk) FailCall(i int, step string, err error) { c.fail(i, step, err, true) }

func (c *Chunk) fail(i int, step string, err error, call bool) {
	f := Failure{Source: c.Source(i), Step: step, Err: err, Element: i, Call: call}
	if c.Trace != nil {
		f.Element = int(c.Trace[i])
	}
	c.Failed = append(c.Failed, f)
}

// Keep reduces the lineage of the chunk to the elements at idx and makes col their
// payload: what a filter or flat map calls, with idx the element each new element
// comes from. idx may repeat.
func (c *Chunk) Keep(idx []int32, col Column) {
	origin := make([]int32, len(idx))
	for k, i := range idx {
		if c.Origin != nil {
			i = c.Origin[i]
		}
		origin[k] = i
	}
	if c.Over != nil {
		over := make([]*Record, len(idx))
		for k, i := range idx {
			over[k] = c.Over[i]
		}
		c.Over = over
	}
	if c.Trace != nil {
		trace := make([]int32, len(idx))
		for k, i := range idx {
			trace[k] = c.Trace[i]
		}
		c.Trace = trace
	}
	c.Origin = origin
	c.Col = col
}

// Select returns a chunk with the elements at idx, sharing records and spans: one
// branch of a route.
func (c *Chunk) Select(idx []int32) *Chunk {
	out := &Chunk{Spans: c.Spans, Recs: c.Recs, Origin: c.Origin, Over: c.Over}
	out.Keep(idx, c.Col.Select(idx))
	return out
}

// Bytes is the column of raw payloads. A nil element is Kafka's null.
type Bytes [][]byte

// Len implements Column.
func (b Bytes) Len() int { return len(b) }

// Size implements Column.
func (b Bytes) Size() int {
	n := 0
	for _, v := range b {
		n += len(v)
	}
	return n
}

// Select implements Column.
func (b Bytes) Select(idx []int32) Column {
	out := make(Bytes, len(idx))
	for k, i := range idx {
		out[k] = b[i]
	}
	return out
}

// Batch implements Batcher.
func (b Bytes) Batch(pieces []Column) Column {
	list := make([][]byte, 0, len(pieces))
	for _, p := range pieces {
		list = append(list, p.(Bytes)...)
	}
	return byteLists{list}
}

// byteLists is a column of lists of raw payloads, as the batch step makes it.
type byteLists [][][]byte

func (b byteLists) Len() int   { return len(b) }
func (b byteLists) Slice() any { return [][][]byte(b) }
func (b byteLists) Size() int {
	n := 0
	for _, l := range b {
		n += Bytes(l).Size()
	}
	return n
}

func (b byteLists) Select(idx []int32) Column {
	out := make(byteLists, len(idx))
	for k, i := range idx {
		out[k] = b[i]
	}
	return out
}
