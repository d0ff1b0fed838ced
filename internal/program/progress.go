package program

// Progress is how far an operator is with the chunk that it has in hand.
type Progress struct {
	// Done grows with the elements that are through; what it counts is the operator's
	// affair. It begins anew with every chunk.
	Done int64
	// Step is the index, in Steps, of the one that runs.
	Step int
	// Python says that the operator is in the interpreter, or on its way there.
	Python bool
	// Waiting says that it has no GIL yet.
	Waiting bool
	// Thread is what Python calls the OS thread; 0: not known.
	Thread uint64
}

// Watched is an Op or Router that tells how far it is. Without it a chunk of slow calls
// and a call that never returns look alike.
//
// # Concurrency
//
// Progress may be called from any goroutine, while a chunk is processed and when none
// is.
type Watched interface{ Progress() Progress }
