module example.com/metric_steps

go 1.27.0

require github.com/levada-io/levada v0.0.0

replace github.com/levada-io/levada => ../../..
