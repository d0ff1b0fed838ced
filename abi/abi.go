// Package abi holds the frame contract for every language: frame.md draws it, levada.h
// has its constants for C, testdata has golden frames. It is a Go package so that the
// header travels with the module, also into a vendor folder.
package abi

// Version is the version of the frame, LEVADA_ABI_VERSION in levada.h.
const Version = 2
