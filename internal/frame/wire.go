package frame

import "slices"

// Wire is a format of messages for the values of one layout: what a codec has for steps
// whose payloads are frames, because no Go type is known.
//
// # Concurrency
//
// Its methods may be called from several goroutines.
type Wire interface {
	// Read reads one message per element, as ParseColumn does.
	Read(messages [][]byte, fail func(i int, err error)) (*Column, error)
	// Append appends the message of a frame. On an error dst comes back as it was.
	Append(dst, value []byte) ([]byte, error)
}

// JSON is JSON text as a Wire. A strict one refuses what NewTextDecoder's refuses.
func (l *Layout) JSON(strict bool) Wire { return jsonWire{l, strict} }

type jsonWire struct {
	layout *Layout
	strict bool
}

func (w jsonWire) Read(messages [][]byte, fail func(i int, err error)) (*Column, error) {
	return w.layout.parseColumn(messages, w.strict, fail)
}

func (w jsonWire) Append(dst, value []byte) ([]byte, error) { return w.layout.AppendJSON(dst, value) }

// ReadColumn makes a column of messages with one reader of them for all: read appends the frame
// of one, a nil one too, and what it appends with an error is dropped. An element that fails is
// not in the column.
func (l *Layout) ReadColumn(messages [][]byte, read func(dst, src []byte) ([]byte, error), fail func(i int, err error)) (*Column, error) {
	size := 0
	for _, m := range messages {
		size += len(m)
	}
	var w columnWriter
	if len(messages) > 0 {
		w = beginColumn(make([]byte, 0, 4+4*(len(messages)+1)+l.root.least()+len(messages[0])), len(messages))
	} else {
		w = beginColumn(nil, 0)
	}
	for i, m := range messages {
		mark := len(w.buf)
		out, err := read(w.buf, m)
		w.buf = out
		size -= len(m)
		if err != nil {
			w.buf = out[:mark]
			fail(i, err)
			continue
		}
		w.end()
		if w.count == 1 {
			w.buf = slices.Grow(w.buf, expected(len(messages)-i-1, size, len(m), len(out)-mark))
		}
	}
	b, err := w.finish()
	if err != nil {
		return nil, err
	}
	return NewColumn(l, b)
}

// expected is how many bytes the frames of n more messages take, of so many bytes together, as
// one has shown: about as many for each byte, or for each message, whichever is less.
func expected(n, size, message, frame int) int {
	room := n * frame
	if message > 0 {
		room = min(room, size*frame/message)
	}
	return room + room/16
}

// readColumn is ReadColumn, where a null is none of the messages.
func (l *Layout) readColumn(messages [][]byte, what string, read func(dst, src []byte) ([]byte, error), fail func(i int, err error)) (*Column, error) {
	return l.ReadColumn(messages, func(dst, src []byte) ([]byte, error) {
		if src == nil {
			return dst, errorf("expected a %s value, got null (a tombstone)", what)
		}
		return read(dst, src)
	}, fail)
}
