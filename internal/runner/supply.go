package runner

import (
	"errors"
	"io"
	"runtime/debug"

	"github.com/levada-io/levada/internal/supply"
)

// Supply writes what this program was linked from: its bill of materials (sbom) or the
// licences of all modules in it (licences).
func Supply(w io.Writer, what string) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("this program does not say what it was built from: expected it to be built by go build, with modules")
	}
	text := supply.Format(supply.Licences(info))
	if what == "sbom" {
		b, err := supply.SBOM(info)
		if err != nil {
			return err
		}
		text = string(b)
	}
	_, err := io.WriteString(w, text)
	return err
}
