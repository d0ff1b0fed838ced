/* The frame codec alone, as a Python module: for the address sanitizer, which the Go
 * runtime of the real module stands in the way of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec.h"

static levada_codec *codec_of(PyObject *module) { return PyModule_GetState(module); }

/* build(layout, frame): the frame is read from a block of just its size, so that a
 * read behind it is seen. */
static PyObject *build(PyObject *module, PyObject *args) {
    char *p, *q;
    Py_ssize_t n, m;
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 0), &p, &n) < 0) return NULL;
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 1), &q, &m) < 0) return NULL;
    uint8_t *form = malloc((size_t)n), *frame = malloc((size_t)m);
    memcpy(form, p, (size_t)n);
    memcpy(frame, q, (size_t)m);
    levada_layout *l = levada_layout_read(form, (size_t)n);
    PyObject *v = l ? levada_build(codec_of(module), l, frame, (size_t)m) : NULL;
    levada_layout_free(l);
    free(frame);
    free(form);
    return v;
}

static PyObject *encode(PyObject *module, PyObject *args) {
    char *p;
    Py_ssize_t n;
    levada_fault fault;
    levada_buf out = {0};
    PyObject *res = NULL;
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 0), &p, &n) < 0) return NULL;
    levada_layout *l = levada_layout_read((uint8_t *)p, (size_t)n);
    if (l && levada_encode(codec_of(module), l, PyTuple_GetItem(args, 1), &out, &fault) == 0) {
        res = PyBytes_FromStringAndSize((char *)out.p, (Py_ssize_t)out.len);
    } else if (l && fault.what[0]) {
        char text[1024];
        levada_fault_text(&fault, text, sizeof text);
        PyErr_SetString(fault.type, text);
    }
    levada_buf_free(&out);
    levada_layout_free(l);
    return res;
}

/* plain_clock(): datetimes without the C API, as where its layout is unknown. */
static PyObject *plain_clock(PyObject *module, PyObject *unused) {
    (void)unused;
    codec_of(module)->clock = NULL;
    return ref(Py_None);
}

/* A build for the fuzzer calls this at every edge. An edge is known by its address,
 * in a set that takes no more than one turn to look into. */
static uint8_t reached[1 << 16];
static long fresh;

void __sanitizer_cov_trace_pc(void);
void __sanitizer_cov_trace_pc(void) {
    uintptr_t at = (uintptr_t)__builtin_return_address(0);
    uint8_t *bit = &reached[(at ^ at >> 16) & 0xffff];
    fresh += !*bit;
    *bit = 1;
}

/* coverage(): how many edges were reached for the first time since it was called. */
static PyObject *coverage(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    long n = fresh;
    fresh = 0;
    return PyLong_FromLongLong(n);
}

static PyMethodDef methods[] = {
    {"build", build, METH_VARARGS, NULL}, {"encode", encode, METH_VARARGS, NULL},
    {"plain_clock", plain_clock, METH_NOARGS, NULL}, {"coverage", coverage, METH_NOARGS, NULL}, {0}};

static int exec(PyObject *module) { return levada_codec_init(codec_of(module)); }
static int traverse(PyObject *module, visitproc visit, void *arg) { return levada_codec_traverse(codec_of(module), visit, arg); }
static void free_module(void *module) { levada_codec_clear(codec_of(module)); }
static PyModuleDef_Slot slots[] = {{Py_mod_exec, exec}, {0, NULL}};
static PyModuleDef definition = {
    .m_base = {.ob_base = {.ob_refcnt = 1}}, .m_name = "codec", .m_size = sizeof(levada_codec), .m_methods = methods,
    .m_slots = slots, .m_traverse = traverse, .m_free = free_module,
};

PyObject *PyInit_codec(void) {
    if (levada_missing_symbol()) {
        fprintf(stderr, "missing %s\n", levada_missing_symbol());
        return NULL;
    }
    return PyModuleDef_Init(&definition);
}
