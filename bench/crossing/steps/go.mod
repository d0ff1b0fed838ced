module github.com/levada-io/levada/bench/crossing/steps

go 1.27

require github.com/levada-io/levada v0.0.0

replace github.com/levada-io/levada => ../../..
