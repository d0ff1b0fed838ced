package engine

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// claim is a fragment of the model: somebody answers for these offsets.
type claim struct {
	lo, hi int64
	flies  bool
}

// TestFrontierModel holds the frontier against a list of claims: an offset is finished
// when no claim covers it.
func TestFrontierModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &frontier{}
		f.next = rapid.Int64Range(0, 50).Draw(t, "start")
		next := f.next
		var claims []claim
		some := func() int { return rapid.IntRange(0, len(claims)-1).Draw(t, "claim") }
		needs := func(t *rapid.T) {
			if len(claims) == 0 {
				t.Skip("nothing is claimed")
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				hi := next + rapid.Int64Range(1, 12).Draw(t, "len")
				if lo := f.open(hi); lo != next {
					t.Fatalf("opened from %d, want %d", lo, next)
				}
				claims, next = append(claims, claim{next, hi, true}), hi
			},
			"skip": func(t *rapid.T) {
				hi := next + rapid.Int64Range(-2, 4).Draw(t, "len")
				f.skip(hi)
				next = max(next, hi)
			},
			"retain": func(t *rapid.T) {
				needs(t)
				c := claims[some()]
				f.retain(c.lo, c.hi)
				claims = append(claims, claim{c.lo, c.hi, true})
			},
			"release": func(t *rapid.T) {
				needs(t)
				i := some()
				c := claims[i]
				if !c.flies {
					f.fly(1) // a batch that is flushed and delivered
				}
				f.release(c.lo, c.hi)
				claims = slices.Delete(claims, i, i+1)
			},
			"hold": func(t *rapid.T) {
				needs(t)
				i := some()
				if claims[i].flies {
					f.fly(-1)
					claims[i].flies = false
				}
			},
			"split": func(t *rapid.T) {
				needs(t)
				i := some()
				c := claims[i]
				if c.flies || c.hi-c.lo < 2 {
					t.Skip("only what is held, and can be, is split")
				}
				at := rapid.Int64Range(c.lo+1, c.hi-1).Draw(t, "at")
				claims[i].hi = at
				if rapid.Bool().Draw(t, "straddle") {
					f.share(at-1, at)
					claims = append(claims, claim{at - 1, c.hi, false})
				} else {
					claims = append(claims, claim{at, c.hi, false})
				}
			},
			"": func(t *rapid.T) {
				want, flying := next, 0
				for _, c := range claims {
					want = min(want, c.lo)
					if c.flies {
						flying++
					}
				}
				if got := f.position(); got != want {
					t.Fatalf("position %d, want %d with claims %v", got, want, claims)
				}
				if f.flying != flying {
					t.Fatalf("%d fragments fly, want %d", f.flying, flying)
				}
				select {
				case <-f.landing():
					if flying > 0 {
						t.Fatal("landed while fragments fly")
					}
				default:
					if flying == 0 {
						t.Fatal("nothing flies, but it has not landed")
					}
				}
				for i, k := range f.tickets {
					if k.refs == 0 && (i == 0 || f.tickets[i-1].refs == 0) {
						t.Fatalf("finished tickets are kept: %v", f.tickets)
					}
				}
			},
		})
	})
}

// TestFrontierLate: what is acknowledged after the assignment moves nothing.
func TestFrontierLate(t *testing.T) {
	f := &frontier{}
	lo := f.open(10)
	f.retain(lo, 10)
	landed := f.landing()
	f.kill()
	select {
	case <-landed:
	default:
		t.Error("nobody should wait for an assignment that is over")
	}
	f.release(lo, 10)
	f.release(lo, 10)
	if got := f.position(); got != 0 {
		t.Errorf("position %d, want 0", got)
	}
}
