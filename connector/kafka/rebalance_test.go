package kafka

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/levada-io/levada/record"
)

// testRevokeHoldsUpNobody: while a step is busy with a record of a partition that goes,
// the ones that stay flow. What was in hand is delivered and committed before the other
// member gets the partition, so that nothing comes twice.
//
// Fault: partition revoked with records in flight -> goes on: while a step is busy with it, the others flow; nothing comes twice
func testRevokeHoldsUpNobody(t *testing.T, c *cluster) {
	const partitions = 4
	in, out := c.topic(t, partitions), c.topic(t, 2)
	busy := make(chan int32, partitions)
	flowed := make(chan int32, 100)
	var gates [partitions]chan struct{}
	for i := range gates {
		gates[i] = make(chan struct{})
	}
	open := map[int32]bool{}
	goOn := func(id int32) {
		if !open[id] {
			open[id] = true
			close(gates[id])
		}
	}
	first := (&job{in: in, out: out, group: groupOf(in), lanes: partitions, each: func(r record.Record) {
		if string(r.Value) == fmt.Sprint("busy-", r.Partition) {
			busy <- r.Partition
			<-gates[r.Partition]
		}
		flowed <- r.Partition
	}}).start(t, c)
	defer func() {
		for id := range int32(partitions) {
			goOn(id)
		}
		first.term()
	}()
	var want []string
	put := func(id int32, v string) {
		produceTo(t, c, in, id, v)
		want = append(want, v)
	}
	next := func(ch chan int32) int32 {
		t.Helper()
		select {
		case id := <-ch:
			return id
		case <-time.After(patience):
			t.Fatal("no record comes")
			return 0
		}
	}
	for id := range int32(partitions) {
		put(id, fmt.Sprint("busy-", id)) // which two will go is the group's decision
		next(busy)
	}
	second := (&job{in: in, out: out, group: groupOf(in)}).start(t, c)
	src := first.session.(*session)
	src.mu.Lock()
	k := src.source
	src.mu.Unlock()
	leaving := func() (ids []int32) {
		k.mu.Lock()
		defer k.mu.Unlock()
		for id, own := range k.owned {
			if own.leaving {
				ids = append(ids, id)
			}
		}
		return ids
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for len(leaving()) == 0 {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("nothing is given up")
		}
	}
	gone := leaving()
	for id := range int32(partitions) {
		if slices.Contains(gone, id) {
			continue
		}
		goOn(id)
		put(id, fmt.Sprint("meanwhile-", id))
		for range 2 {
			if got := next(flowed); got != id {
				t.Fatalf("a record of partition %d, want %d", got, id)
			}
		}
	}
	if got := leaving(); len(got) != len(gone) {
		t.Fatalf("%v are given up, although a step is busy with %v", got, gone)
	}
	for _, id := range gone {
		goOn(id)
		next(flowed)
		put(id, fmt.Sprint("after-", id))
	}
	drained := (&job{in: in, out: out, group: groupOf(in), drain: true})
	for _, j := range []*job{first, second} {
		if err := j.term(); err != nil {
			t.Error(err)
		}
	}
	if err := drained.start(t, c).wait(); err != nil {
		t.Error(err)
	}
	slices.Sort(want)
	if got := stored(t, c, out); !slices.Equal(got, want) {
		t.Errorf("delivered %q\nwant %q", got, want)
	}
}
