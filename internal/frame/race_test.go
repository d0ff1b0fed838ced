//go:build race

package frame

// The race detector makes sync.Pool forget at random, so the parser allocates.
const poolsKeep = false
