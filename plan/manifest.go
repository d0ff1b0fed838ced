package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json/jsontext"
	"encoding/json/v2"
	"fmt"
)

// Manifest is what an extension, a binary or the Python side of a pipeline offers:
// functions with what they take and return, and the types these name. Beside a
// compiled extension it lies as levada.json.
type Manifest struct {
	Levada  string `json:"levada"`            // version of the platform that it was built with
	Plan    int    `json:"plan"`              // plan version of that platform
	Module  string `json:"module,omitempty"`  // Python package
	Package string `json:"package,omitempty"` // Go import path
	// Fingerprint is the hash of functions and types; what was generated from another
	// layout does not load.
	Fingerprint string              `json:"fingerprint,omitempty"`
	Functions   []FunctionSignature `json:"functions"`
	Types       map[string]Type     `json:"types,omitempty"`
}

// FunctionSignature is what is known of one function.
type FunctionSignature struct {
	Name   string  `json:"name"`             // canonical
	Python string  `json:"python,omitempty"` // attribute of the Python package
	Doc    string  `json:"doc,omitempty"`
	In     Type    `json:"in"`                 // payload that it takes
	Out    Type    `json:"out"`                // payload that it returns
	Seq    bool    `json:"seq,omitzero"`       // returns an iterator of Out, not an Out
	Meta   bool    `json:"meta,omitzero"`      // returns a message: may set key and headers
	Fields []Field `json:"settings,omitempty"` // of a step that is a struct
	// Keys are all values that Out can have, as JSON scalars, where the author says so: a
	// Literal of Python. A route by the function is held against them.
	Keys   []jsontext.Value `json:"keys,omitempty"`
	Origin Origin           `json:"origin"`
}

// Function finds a signature by canonical name.
func (m *Manifest) Function(name string) (*FunctionSignature, bool) {
	for i := range m.Functions {
		if m.Functions[i].Name == name {
			return &m.Functions[i], true
		}
	}
	return nil, false
}

// Seal computes the fingerprint: everything of functions and types but docs and
// origins.
func (m *Manifest) Seal() error {
	fs := make([]FunctionSignature, len(m.Functions))
	for i, f := range m.Functions {
		f.Doc, f.Origin = "", Origin{}
		fs[i] = f
	}
	b, err := json.Marshal(struct {
		F []FunctionSignature
		T map[string]Type
	}{fs, m.Types}, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("manifest of %s: %w", m.Package, err)
	}
	sum := sha256.Sum256(b)
	m.Fingerprint = hex.EncodeToString(sum[:8])
	return nil
}
