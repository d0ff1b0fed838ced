module github.com/levada-io/levada

go 1.27
