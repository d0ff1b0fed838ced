package verify_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/levada-io/levada/internal/testing/verify"
)

// inputs are n records of one partition, with two keys in turn.
func inputs(n int) []verify.Input {
	ins := make([]verify.Input, n)
	for i := range ins {
		ins[i] = verify.Input{ID: int64(i), Topic: "in", Offset: int64(10 + i), Key: []string{"a", "b"}[i%2]}
	}
	return ins
}

// deliver writes records with these ids behind one another.
func deliver(v *verify.Verifier, from int64, ids ...int64) {
	for i, id := range ids {
		v.Delivered("", verify.Place{Topic: "out", Offset: from + int64(i)}, id)
	}
}

func expect(t *testing.T, v *verify.Verifier, line string, faults ...string) {
	t.Helper()
	r := v.Report()
	if got := r.String(); got != line {
		t.Errorf("report\n got %s\nwant %s", got, line)
	}
	if sum := r.Delivered + r.Filtered + r.Dead + r.Skipped + r.Lost.Count; sum != r.Expected {
		t.Errorf("%d inputs are accounted for, want %d", sum, r.Expected)
	}
	err := r.Err()
	if len(faults) == 0 {
		if err != nil {
			t.Errorf("unexpected fault: %v", err)
		}
		return
	}
	if err == nil {
		t.Fatal("nothing was found")
	}
	for _, want := range faults {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q in\n%v", want, err)
		}
	}
}

func TestAllAccountedFor(t *testing.T) {
	v := verify.New(inputs(8))
	v.Filtered("", 1)
	v.Skipped("", 2)
	deliver(v, 0, 0, 3, 5)
	v.Dead("", verify.Place{Topic: "dlq"}, 4)
	v.Committed("in", 0, -1)
	v.Committed("in", 0, 10)
	v.Committed("in", 0, 16)
	deliver(v, 3, 6, 7)
	v.Committed("in", 0, 18)
	expect(t, v, "inputs=8 delivered=5 filtered=1 dead=1 skipped=1 lost=0 duplicated=0 reordered=0 unexpected=0 early=0 backward=0")
	if n := v.Open(); n != 0 {
		t.Errorf("%d are open", n)
	}
}

func TestLoss(t *testing.T) {
	v := verify.New(inputs(4))
	deliver(v, 0, 0, 1, 3)
	expect(t, v, "inputs=4 delivered=3 filtered=0 dead=0 skipped=0 lost=1 duplicated=0 reordered=0 unexpected=0 early=0 backward=0",
		"1 lost:", "id 2 (in[0]@12)")
	if n := v.Open(); n != 1 {
		t.Errorf("%d are open, want 1", n)
	}
}

// TestLossInOneBranch: what one branch has delivered does not make up for the other.
func TestLossInOneBranch(t *testing.T) {
	v := verify.New(inputs(3), "x", "y")
	for i := range int64(3) {
		v.Delivered("x", verify.Place{Topic: "x", Offset: i}, i)
	}
	v.Filtered("y", 0)
	v.Dead("y", verify.Place{Topic: "dlq"}, 2)
	v.Committed("in", 0, 11)
	v.Committed("in", 0, 12)
	expect(t, v, "inputs=3 delivered=3 filtered=1 dead=1 skipped=0 lost=1 duplicated=0 reordered=0 unexpected=0 early=1 backward=0",
		`id 1 (in[0]@11) in branch "y"`, "in[0]: committed 12 before offset 11")
}

// TestDuplicates are counted by what was written twice, not by what is read twice.
func TestDuplicates(t *testing.T) {
	v := verify.New(inputs(4))
	deliver(v, 0, 0, 1, 2)
	deliver(v, 0, 0, 1, 2) // read again
	deliver(v, 3, 1, 2, 3) // a member was killed
	v.Dead("", verify.Place{Topic: "dlq"}, 3)
	expect(t, v, "inputs=4 delivered=4 filtered=0 dead=0 skipped=0 lost=0 duplicated=3 reordered=0 unexpected=0 early=0 backward=0")
	if got := v.Report().Duplicated.First; !strings.HasPrefix(got[0], "out[0]@3: id 1 (in[0]@11), as delivered before") {
		t.Errorf("duplicated: %q", got)
	}
}

func TestReorder(t *testing.T) {
	v := verify.New(inputs(6))
	deliver(v, 0, 1, 0, 3, 2, 5) // of two keys: each in order
	deliver(v, 5, 4)
	expect(t, v, "inputs=6 delivered=6 filtered=0 dead=0 skipped=0 lost=0 duplicated=0 reordered=0 unexpected=0 early=0 backward=0")

	v = verify.New(inputs(6))
	deliver(v, 0, 0, 1, 4, 2, 3, 5)
	expect(t, v, "inputs=6 delivered=6 filtered=0 dead=0 skipped=0 lost=0 duplicated=0 reordered=1 unexpected=0 early=0 backward=0",
		"1 reordered:", "out[0]@3: id 2 (in[0]@12) comes after offset 14")
}

// TestReorderInABatch: several inputs in one record have an order, too.
func TestReorderInABatch(t *testing.T) {
	v := verify.New(inputs(4))
	v.Delivered("", verify.Place{Topic: "out"}, 2, 1, 0, 3)
	expect(t, v, "inputs=4 delivered=4 filtered=0 dead=0 skipped=0 lost=0 duplicated=0 reordered=1 unexpected=0 early=0 backward=0",
		"id 0 (in[0]@10) comes after offset 12")
}

func TestCommitTooEarly(t *testing.T) {
	v := verify.New(inputs(4))
	deliver(v, 0, 0, 2)
	v.Committed("in", 0, 11)
	v.Committed("in", 0, 13)
	deliver(v, 2, 1, 3)
	v.Committed("in", 0, 13)
	expect(t, v, "inputs=4 delivered=4 filtered=0 dead=0 skipped=0 lost=0 duplicated=0 reordered=0 unexpected=0 early=1 backward=0",
		"1 committed too early:", "in[0]: committed 13 before offset 11 was accounted for")
}

func TestCommitBackward(t *testing.T) {
	v := verify.New(inputs(2))
	deliver(v, 0, 0, 1)
	v.Committed("in", 0, 12)
	v.Committed("in", 0, 11)
	expect(t, v, "inputs=2 delivered=2 filtered=0 dead=0 skipped=0 lost=0 duplicated=0 reordered=0 unexpected=0 early=0 backward=1",
		"in[0]: committed 11 after 12")
}

func TestUnexpected(t *testing.T) {
	v := verify.New(inputs(3))
	v.Filtered("", 1)
	deliver(v, 0, 0, 1, 2, 77)
	v.Skipped("", 2)
	expect(t, v, "inputs=3 delivered=2 filtered=1 dead=0 skipped=0 lost=0 duplicated=0 reordered=0 unexpected=3 early=0 backward=0",
		"out[0]@3: id 77 is of no input", "id 1 (in[0]@11) was delivered, expected filtered", "id 2 (in[0]@12) was delivered, expected skipped")
}

// TestInputsWhileRunning: inputs that are told of later count from then on.
func TestInputsWhileRunning(t *testing.T) {
	all := inputs(4)
	v := verify.New(all[:2])
	deliver(v, 0, 0, 1)
	v.Committed("in", 0, 12)
	v.Add(all[2:]...)
	v.Committed("in", 0, 12)
	v.Committed("in", 0, 13)
	expect(t, v, "inputs=4 delivered=2 filtered=0 dead=0 skipped=0 lost=2 duplicated=0 reordered=0 unexpected=0 early=1 backward=0",
		"2 lost:", "committed 13 before offset 12")
}

// TestMany: only the first of many findings are kept.
func TestMany(t *testing.T) {
	v := verify.New(inputs(100))
	r := v.Report()
	if r.Lost.Count != 100 || len(r.Lost.First) != 10 {
		t.Errorf("%d lost, %d kept; want 100 and 10", r.Lost.Count, len(r.Lost.First))
	}
	if lines := strings.Split(r.Err().Error(), "\n"); !slices.Contains(lines, "  and 90 more") {
		t.Errorf("expected how many more there are in\n%s", strings.Join(lines, "\n"))
	}
}

func TestMisuse(t *testing.T) {
	for name, misuse := range map[string]func(v *verify.Verifier){
		"one id twice":   func(v *verify.Verifier) { v.Add(verify.Input{ID: 0, Topic: "in", Offset: 99}) },
		"offset back":    func(v *verify.Verifier) { v.Add(verify.Input{ID: 9, Topic: "in", Offset: 10}) },
		"unknown branch": func(v *verify.Verifier) { v.Filtered("x", 0) },
		"unknown id":     func(v *verify.Verifier) { v.Skipped("", 99) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if msg, ok := recover().(string); !ok || !strings.HasPrefix(msg, "BUG: verify:") {
					t.Errorf("expected a BUG, got %q", msg)
				}
			}()
			misuse(verify.New(inputs(2)))
		})
	}
}

// TestLateLetter: an input that was a dead letter too is in no order, whichever was read
// first.
func TestLateLetter(t *testing.T) {
	v := verify.New(inputs(6))
	deliver(v, 0, 0, 1, 4, 2, 3, 5)
	v.Dead("", verify.Place{Topic: "letters"}, 2)
	expect(t, v, "inputs=6 delivered=6 filtered=0 dead=0 skipped=0 lost=0 duplicated=1 reordered=0 unexpected=0 early=0 backward=0")
}
