package keeper_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"testing/iotest"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/levada-io/levada/internal/keeper"
)

// scripted is a connection that yields the bytes of a reader.
type scripted struct {
	net.Conn
	r io.Reader
}

func (s *scripted) Read(p []byte) (int, error) { return s.r.Read(p) }
func (s *scripted) Close() error               { return nil }

func frame(req kmsg.Request, number uint32) []byte {
	req.SetVersion(req.MaxVersion())
	b := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(req.Key()))
	b = binary.BigEndian.AppendUint16(b, uint16(req.GetVersion()))
	b = binary.BigEndian.AppendUint32(b, number)
	b = append(b, 0xff, 0xff, 0) // no client id, no tags
	b = req.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// FuzzReadAlong: whatever comes, and in whatever pieces, the reader gets it unchanged.
func FuzzReadAlong(f *testing.F) {
	join, sync := kmsg.NewPtrJoinGroupRequest(), kmsg.NewPtrSyncGroupRequest()
	join.Group, join.MemberID = "g", "m"
	sync.Group, sync.MemberID = "g", "m"
	f.Add(append(frame(join, 1), frame(sync, 2)...))
	f.Add(append(frame(kmsg.NewPtrMetadataRequest(), 1), frame(join, 2)[:9]...))
	f.Add([]byte{0, 0, 0, 1, 0, 11})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0, 11, 0, 5, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, r := range []io.Reader{bytes.NewReader(in), iotest.OneByteReader(bytes.NewReader(in))} {
			c := keeper.New().Wrap(&scripted{r: r})
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, in) {
				t.Fatalf("%x came through as %x: %v", in, got, err)
			}
			c.Close()
		}
	})
}
