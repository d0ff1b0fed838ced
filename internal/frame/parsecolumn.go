package frame

// ParseColumn parses each of the texts into one element. One that can not be parsed is
// reported to fail and is not in the column: the column has fewer elements then.
func (l *Layout) ParseColumn(texts [][]byte, fail func(i int, err error)) (*Column, error) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	w := beginColumn(make([]byte, 0, size+8*len(texts)+8), len(texts))
	for i, t := range texts {
		out, err := l.ParseJSON(w.buf, t)
		if err != nil {
			fail(i, err)
			continue
		}
		w.buf = out
		w.end()
	}
	b, err := w.finish()
	if err != nil {
		return nil, err
	}
	return NewColumn(l, b)
}
