// Command ext is a Python extension that does nothing but park, hold the gate and be
// forked: what the rules of the process are tried on.
package main

// #cgo CFLAGS: -std=gnu11 -I${SRCDIR}/../..
import "C"

import (
	"errors"
	"fmt"
	"os"

	"github.com/levada-io/levada/internal/bridge/process"
)

func main() {}

//export levadaTestPark
func levadaTestPark(stops C.int) C.int {
	code, err := process.Park(func(stop <-chan struct{}) int {
		fmt.Println("ready")
		for range int(stops) {
			<-stop
			fmt.Println("stop")
		}
		if stops > 2 {
			select {} // a step that never returns
		}
		return 7
	})
	if errors.Is(err, process.ErrRaised) {
		return -1
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return C.int(code)
}
