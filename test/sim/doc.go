// Package sim runs members of a group and the brokers that they talk to in one bubble of
// testing/synctest: the engine, the connector, the client library and a fake Kafka, over
// connections in memory and on a clock that only moves when everybody waits. Hours of
// kills, rebalances and trouble pass in seconds, and one verifier accounts for every
// record.
//
//	make sim SEEDS=20
//
// runs it; it needs the build tag synctests, under which the client library uses locks
// that a bubble can see through. A seed decides the script of faults; what goroutines
// make of it differs from run to run, so that a failing seed may need several.
package sim
