// Package archtest holds the rules of the house as tests: who may import whom, and
// what no source file may do. ARCHITECTURE.md says why; a change of a rule is a
// change of both, in one commit.
package archtest
