package frame

import (
	"math"

	"github.com/levada-io/levada/record"
)

// columnWriter writes a column: the offset table first, with room for every element.
type columnWriter struct {
	buf   []byte
	head  int // where the column begins
	room  int // elements that the table has room for
	count int
}

func beginColumn(buf []byte, n int) columnWriter {
	w := columnWriter{buf: buf, head: len(buf), room: n}
	size := 4 + 4*(n+1)
	if cap(buf)-len(buf) < size {
		grown := make([]byte, len(buf), len(buf)+size+64*n)
		copy(grown, buf)
		w.buf = grown
	}
	w.buf = w.buf[:w.head+size]
	le.PutUint32(w.buf[w.head+4:], 0)
	return w
}

// end says that the bytes since the last end are one element.
func (w *columnWriter) end() {
	w.count++
	values := len(w.buf) - w.head - 4 - 4*(w.room+1)
	le.PutUint32(w.buf[w.head+4+4*w.count:], uint32(values))
}

// finish returns the buffer with the column; it closes the gap that elements left out
// have left in the table.
func (w *columnWriter) finish() ([]byte, error) {
	from := w.head + 4 + 4*(w.room+1)
	if len(w.buf)-from > math.MaxUint32 {
		return nil, errorf("column larger than 4 GiB")
	}
	le.PutUint32(w.buf[w.head:], uint32(w.count))
	if w.count < w.room {
		to := w.head + 4 + 4*(w.count+1)
		w.buf = w.buf[:to+copy(w.buf[to:], w.buf[from:])]
	}
	return w.buf, nil
}

// Column is a column of frames held by Go.
type Column struct {
	layout *Layout
	ends   []byte // offset table without the count
	values []byte
	n      int
}

// NewColumn reads the head of a column of layout l. The column aliases b.
func NewColumn(l *Layout, b []byte) (*Column, error) {
	c := new(Column)
	if err := c.Read(l, b); err != nil {
		return nil, err
	}
	return c, nil
}

// Read is NewColumn into c.
func (c *Column) Read(l *Layout, b []byte) error {
	if len(b) < 4 {
		return errorf("column of %d bytes", len(b))
	}
	n := int(le.Uint32(b))
	if (len(b)-4)/4 < n+1 {
		return errorf("column of %d elements in %d bytes", n, len(b))
	}
	*c = Column{layout: l, ends: b[4 : 4+4*(n+1)], values: b[4+4*(n+1):], n: n}
	last := uint32(0)
	for i := range n + 1 {
		end := le.Uint32(c.ends[4*i:])
		if end < last || i == 0 && end != 0 {
			return errorf("column: offset %d of element %d after offset %d", end, i, last)
		}
		last = end
	}
	if int(last) != len(c.values) {
		return errorf("column: values end at %d of %d bytes", last, len(c.values))
	}
	return nil
}

// ParseColumn reads one JSON text per element. An element that does not fit is reported
// to fail and is not in the column: the column has fewer elements then. A nil text is
// Kafka's null and fits nothing.
func (l *Layout) ParseColumn(texts [][]byte, fail func(i int, err error)) (*Column, error) {
	return l.parseColumn(texts, false, fail)
}

func (l *Layout) parseColumn(texts [][]byte, strict bool, fail func(i int, err error)) (*Column, error) {
	p := l.parsers.get()
	defer l.parsers.put(p)
	p.strict = strict
	return l.readColumn(texts, "JSON", func(dst, src []byte) ([]byte, error) {
		p.reset(src, dst)
		err := p.document(l.root)
		return p.dst, err
	}, fail)
}

// Layout is the layout of the elements.
func (c *Column) Layout() *Layout { return c.layout }

// Value is the frame of element i. It must not be changed.
func (c *Column) Value(i int) []byte {
	from, to := le.Uint32(c.ends[4*i:]), le.Uint32(c.ends[4*i+4:])
	return c.values[from:to:to]
}

// Append appends the bytes form of the column.
func (c *Column) Append(buf []byte) []byte {
	buf = le.AppendUint32(buf, uint32(c.n))
	buf = append(buf, c.ends...)
	return append(buf, c.values...)
}

// Len implements record.Column.
func (c *Column) Len() int { return c.n }

// Size implements record.Column.
func (c *Column) Size() int { return len(c.values) + len(c.ends) }

// Select implements record.Column.
func (c *Column) Select(idx []int32) record.Column {
	w := beginColumn(nil, len(idx))
	for _, i := range idx {
		w.buf = append(w.buf, c.Value(int(i))...)
		w.end()
	}
	return w.column(c.layout)
}

// Batch implements record.Batcher: a column of one list.
func (c *Column) Batch(pieces []record.Column) record.Column {
	w := beginColumn(nil, 1)
	n, count := 0, len(w.buf)
	w.buf = le.AppendUint32(w.buf, 0)
	for _, p := range pieces {
		p := p.(*Column)
		n += p.n
		w.buf = append(w.buf, p.values...)
	}
	le.PutUint32(w.buf[count:], uint32(n))
	w.end()
	return w.column(c.layout.List())
}

func (w *columnWriter) column(l *Layout) *Column {
	b, err := w.finish()
	if err == nil {
		var c *Column
		if c, err = NewColumn(l, b); err == nil {
			return c
		}
	}
	panic("BUG: " + err.Error()) // the pieces were columns; the engine's budget is far below 4 GiB
}
