//go:build planted_overwrite_carried_over

package engine

// overwriteCarriedOver is a bug, planted to see that the harnesses catch it: a chunk that waits
// for a sink is replaced by the next one.
const overwriteCarriedOver = true
