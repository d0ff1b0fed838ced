//go:build !race

package frame

const poolsKeep = true
