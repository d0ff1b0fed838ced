// Package e2e runs what users run, against what users run it against: the command, a
// Python with the installed wheels, the embedded Kafka in a process of its own or a real
// one (LEVADA_REAL_KAFKA=1). Every record has an id that its outputs carry; what is
// asserted is which ids came out, how often.
//
// `make e2e` and `make test-kafka` build what it needs first.
package e2e
