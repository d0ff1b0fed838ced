//go:build cgo

package bridge

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/levada-io/levada/record"
)

var le = binary.LittleEndian

// beginColumn begins a column of n elements: the count, and room for the offsets.
func beginColumn(buf []byte, n int) []byte {
	buf = slices.Grow(buf[:0], 4+4*(n+1)+64*n)[:4+4*(n+1)]
	clear(buf)
	le.PutUint32(buf, uint32(n))
	return buf
}

// endElement says that element i of the column ends here.
func endElement(buf []byte, n, i int) {
	le.PutUint32(buf[4+4*(i+1):], uint32(len(buf)-4-4*(n+1)))
}

// appendMeta appends the metadata of a record as abi/frame.md has it.
func appendMeta(buf []byte, r *record.Record) []byte {
	buf = appendNullable(buf, r.Key)
	buf = le.AppendUint32(buf, uint32(len(r.Headers)))
	for _, h := range r.Headers {
		buf = append(le.AppendUint32(buf, uint32(len(h.Key))), h.Key...)
		buf = appendNullable(buf, h.Value)
	}
	if r.Timestamp.IsZero() {
		buf = append(buf, 0)
	} else {
		buf = le.AppendUint64(append(buf, 1), uint64(r.Timestamp.UnixMicro()))
	}
	buf = append(le.AppendUint32(buf, uint32(len(r.Topic))), r.Topic...)
	buf = le.AppendUint64(buf, uint64(int64(r.Partition)))
	return le.AppendUint64(buf, uint64(r.Offset))
}

func appendNullable(buf, b []byte) []byte {
	if b == nil {
		return append(buf, 0)
	}
	return append(le.AppendUint32(append(buf, 1), uint32(len(b))), b...)
}

func (r *cut) nullable() []byte {
	if r.u8() == 0 {
		return nil
	}
	return r.bytes()
}

// meta reads what appendMeta wrote; the record aliases the bytes.
func (r *cut) meta() record.Record {
	var m record.Record
	m.Key = r.nullable()
	if n := r.u32(); n > 0 && n <= len(r.b) {
		m.Headers = make([]record.Header, n)
		for i := range m.Headers {
			m.Headers[i] = record.Header{Key: r.text(), Value: r.nullable()}
		}
	}
	if r.u8() != 0 {
		m.Timestamp = time.UnixMicro(r.i64()).UTC()
	}
	m.Topic = r.text()
	m.Partition = int32(r.i64())
	m.Offset = r.i64()
	return m
}
