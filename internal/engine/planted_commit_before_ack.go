//go:build planted_commit_before_ack

package engine

// commitBeforeAck is a bug, planted to see that the harnesses catch it: what a sink has
// taken counts as delivered before it is acknowledged.
const commitBeforeAck = true
