//go:build cgo

package cpython

// #include <stdlib.h>
// #include "native.h"
import "C"

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/cgo"
	"runtime/debug"
	"sync"
	"unsafe"
)

// What C asks of Go; host.h says when, and who holds the GIL.

//export levadaHostColumn
func levadaHostColumn(host C.uintptr_t, column C.int, to *C.levada_column, text **C.char, n *C.size_t) C.int {
	c := cgo.Handle(host).Value().(*Crossing)
	err := guarded(func() error {
		b, err := c.source.Column(int(column))
		if err != nil {
			return err
		}
		head := 4 + 4*(int(c.cx.n)+1)
		if len(b) < head || binary.LittleEndian.Uint32(b) != uint32(c.cx.n) {
			return fmt.Errorf("BUG: column %d: expected %d elements", column, c.cx.n)
		}
		c.pin.Pin(&b[0])
		base := unsafe.Pointer(&b[0])
		to.len = C.uint64_t(len(b) - head)
		to.values = (*C.uint8_t)(base)
		if to.len > 0 { // a pointer behind the last byte would be one into the next object
			to.values = (*C.uint8_t)(unsafe.Add(base, head))
		}
		to.p = (*C.uint8_t)(unsafe.Add(base, 4))
		return nil
	})
	if err != nil {
		*text, *n = cText(err.Error())
		return -1
	}
	return 0
}

//export levadaHostElement
func levadaHostElement(host C.uintptr_t, i C.uint32_t, text **C.char, n *C.size_t) {
	c := cgo.Handle(host).Value().(*Crossing)
	err := c.source.Element(int(i))
	if err == nil {
		err = errors.New("BUG: element without bytes")
	}
	*text, *n = cText(err.Error())
}

//export levadaHostFunction
func levadaHostFunction(st *C.levada_state, name *C.char, nameLen C.size_t, settings *C.char, settingsLen C.size_t, info *C.levada_function_info) {
	var f Function
	err := guarded(func() (err error) {
		f, err = host.Function(text(name, nameLen), []byte(text(settings, settingsLen)))
		return err
	})
	if err != nil {
		info.error, info.error_len = cText(err.Error())
		return
	}
	info.handle = C.uintptr_t(cgo.NewHandle(f))
	s := f.Signature()
	info.in, info.in_len = cBytes(s.In)
	info.out, info.out_len = cBytes(s.Out)
	if s.Seq {
		info.seq = 1
	}
	if s.Meta {
		info.meta = 1
	}
}

// calls are of *Call: two large structs, by value, would cost more than the pool.
var calls = sync.Pool{New: func() any { return new(Call) }}

//export levadaHostCall
func levadaHostCall(handle C.uintptr_t, call *C.levada_callin) {
	f := cgo.Handle(handle).Value().(Function)
	c := calls.Get().(*Call)
	defer func() {
		*c = Call{}
		calls.Put(c)
	}()
	err := guarded(func() error {
		c.N = int(call.n)
		// One copy; what the function returns or keeps may alias it.
		c.Payloads, c.Metas = goBytes(call.in, call.in_len), goBytes(call.meta, call.meta_len)
		c.Room = unsafe.Slice((*byte)(unsafe.Pointer(call.scratch)), call.scratch_cap)[:0]
		return f.Call(c)
	})
	r := &c.Result
	if err != nil {
		call.failed = -2
		note := ""
		if e, ok := errors.AsType[*CallError](err); ok {
			call.failed, note = C.int64_t(e.Index), e.Note
		}
		call.text, call.text_len = cText(err.Error())
		if note != "" {
			call.note, call.note_len = cText(note)
		}
		return
	}
	call.nout = C.uint32_t(r.N)
	if unsafe.Pointer(unsafe.SliceData(r.Payloads)) == unsafe.Pointer(call.scratch) {
		call.out, call.out_len = call.scratch, C.size_t(len(r.Payloads))
	} else {
		call.out, call.out_len = cBytes(r.Payloads)
	}
	if r.Metas != nil {
		call.out_meta, call.out_meta_len = cBytes(r.Metas)
	}
	if r.From != nil {
		from := (*C.uint32_t)(C.malloc(C.size_t(4*len(r.From) + 4)))
		copy(unsafe.Slice((*int32)(unsafe.Pointer(from)), len(r.From)), r.From)
		call.from = from
	}
}

//export levadaHostForget
func levadaHostForget(handle C.uintptr_t) { cgo.Handle(handle).Delete() }

//export levadaHostMain
func levadaHostMain(st *C.levada_state, call *C.levada_main_call, code *C.int, errText **C.char, n *C.size_t) C.int {
	var c int
	err := guarded(func() (err error) {
		m := MainCall{
			Interpreter: interpreterOf(st),
			Plan:        text(call.plan, call.plan_len),
			Manifest:    text(call.manifest, call.manifest_len),
			Functions:   map[string]uintptr{},
		}
		if m.Argv, err = texts(call.argv, call.argv_len); err != nil {
			return err
		}
		names, err := texts(call.names, call.names_len)
		if err != nil {
			return err
		}
		for i, f := range unsafe.Slice((*uintptr)(unsafe.Pointer(call.functions)), len(names)) {
			m.Functions[names[i]] = f
		}
		c, err = host.Main(m)
		return err
	})
	switch {
	case errors.Is(err, ErrRaised):
		return -1
	case err != nil:
		*errText, *n = cText(err.Error())
		return -1
	}
	*code = C.int(c)
	return 0
}

//export levadaHostManifest
func levadaHostManifest(manifest **C.char, n *C.size_t, fingerprint **C.char, m *C.size_t) {
	*manifest, *n = cText(host.Manifest)
	*fingerprint, *m = cText(host.Fingerprint)
}

//export levadaHostYAML
func levadaHostYAML(path *C.char, pathLen C.size_t, names **C.uint8_t, n *C.size_t, errText **C.char, errLen *C.size_t) C.int {
	var found []string
	err := guarded(func() (err error) {
		if host.YAMLFunctions == nil {
			return errors.New("this extension reads no YAML")
		}
		found, err = host.YAMLFunctions(text(path, pathLen))
		return err
	})
	if err != nil {
		*errText, *errLen = cText(err.Error())
		return -1
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(found)))
	for _, s := range found {
		b = append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	*names, *n = cBytes(b)
	return 0
}

//export levadaHostUnload
func levadaHostUnload(st *C.levada_state) { interpreters.Delete(st) }

// guarded turns a panic into an error: it must not unwind through C.
func guarded(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("BUG: panic: %v\n%s", v, debug.Stack())
		}
	}()
	return f()
}

// text copies a string of C's. C.GoStringN would not take more than 2 GiB.
func text(p *C.char, n C.size_t) string {
	return string(unsafe.Slice((*byte)(unsafe.Pointer(p)), n))
}

// goBytes copies bytes of C's; nil for NULL.
func goBytes(p *C.uint8_t, n C.size_t) []byte {
	if p == nil {
		return nil
	}
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(p)), n)...) // not cleared first, as made memory is
}

// cText makes malloc memory of a string; C frees it.
func cText(s string) (*C.char, C.size_t) { return C.CString(s), C.size_t(len(s)) }

func cBytes(b []byte) (*C.uint8_t, C.size_t) { return (*C.uint8_t)(C.CBytes(b)), C.size_t(len(b)) }

// texts reads a list of strings: u32 count, then per string u32 length and bytes.
func texts(p *C.uint8_t, n C.size_t) ([]string, error) {
	b := unsafe.Slice((*byte)(unsafe.Pointer(p)), n)
	next := func() (uint32, bool) {
		if len(b) < 4 {
			return 0, false
		}
		v := binary.LittleEndian.Uint32(b)
		b = b[4:]
		return v, true
	}
	count, ok := next()
	var out []string
	for range count {
		size, more := next()
		if !more || uint64(size) > uint64(len(b)) {
			ok = false
			break
		}
		out = append(out, string(b[:size]))
		b = b[size:]
	}
	if !ok || len(b) > 0 {
		return nil, errors.New("BUG: list of strings is cut off")
	}
	return out, nil
}
