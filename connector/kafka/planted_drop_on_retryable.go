//go:build planted_drop_on_retryable

package kafka

// dropOnRetryable is a bug, planted to see that the harnesses catch it: a write that failed
// in a way that would pass is not tried again, and reported as stored.
const dropOnRetryable = true
