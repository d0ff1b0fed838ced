/* A dict of the metric record built from its frame: by the codec, which reads a layout,
 * and by code written for this one type, which is as little as the stable ABI allows. Both
 * have the same template dict and the same string cache. Each is called in a loop and
 * drops what it built; what comes back is CPU nanoseconds per message. */
#define _POSIX_C_SOURCE 199309L
#include <string.h>
#include <time.h>

#include "codec.h"

enum { FIELDS = 9 };

static levada_codec *codec_of(PyObject *module) { return PyModule_GetState(module); }

static double cpu_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static PyObject *text(levada_codec *c, levada_in *in) {
    uint32_t n;
    const uint8_t *p = take_bytes(in, &n);
    return p ? levada_str(c, p, n) : NULL;
}

static PyObject *integer(levada_in *in) {
    uint64_t v = 0;
    return take64(in, &v) ? PyLong_FromLongLong((int64_t)v) : NULL;
}

static PyObject *tags(levada_codec *c, levada_in *in) {
    uint32_t n = 0;
    PyObject *out = take32(in, &n) ? PyDict_New() : NULL;
    for (uint32_t i = 0; out && i < n; i++) {
        PyObject *k = text(c, in), *v = k ? text(c, in) : NULL;
        if (v) PyDict_SetItem(out, k, v);
        Py_DecRef(v);
        Py_DecRef(k);
    }
    return out;
}

static PyObject *floating(levada_in *in) {
    uint64_t u = 0;
    double d;
    if (!take64(in, &u)) return NULL;
    memcpy(&d, &u, 8);
    return PyFloat_FromDouble(d);
}

static PyObject *boolean(levada_in *in) {
    uint8_t v = 0;
    return take8(in, &v) ? ref(v ? Py_True : Py_False) : NULL;
}

static int put(PyObject *out, PyObject *key, PyObject *v) {
    int rc = v ? PyDict_SetItem(out, key, v) : -1;
    Py_DecRef(v);
    return rc;
}

static PyObject *by_hand(levada_codec *c, PyObject *template_, PyObject **key, levada_in in) {
    PyObject *out = PyDict_Copy(template_);
    uint8_t presence;
    if (put(out, key[0], integer(&in)) < 0 || put(out, key[1], integer(&in)) < 0 || put(out, key[2], text(c, &in)) < 0 ||
        put(out, key[3], tags(c, &in)) < 0 || put(out, key[4], integer(&in)) < 0 || put(out, key[5], integer(&in)) < 0 ||
        put(out, key[6], text(c, &in)) < 0 || put(out, key[7], floating(&in)) < 0 || !take8(&in, &presence) || presence != LEVADA_PRESENT ||
        put(out, key[8], boolean(&in)) < 0 || in.off != in.n) {
        Py_DecRef(out);
        return NULL;
    }
    return out;
}

/* timed(layout, frame, keys, n): (codec ns, floor ns, dict of the codec, dict of the floor) */
static PyObject *timed(PyObject *module, PyObject *args) {
    levada_codec *c = codec_of(module);
    char *p, *q;
    Py_ssize_t np, nq;
    PyObject *key[FIELDS], *template_ = PyDict_New(), *keys = PyTuple_GetItem(args, 2);
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 0), &p, &np) < 0) return NULL;
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 1), &q, &nq) < 0) return NULL;
    int64_t n = PyLong_AsLongLong(PyTuple_GetItem(args, 3));
    for (int i = 0; i < FIELDS; i++) {
        key[i] = PyTuple_GetItem(keys, i);
        PyDict_SetItem(template_, key[i], Py_None);
    }
    levada_layout *l = levada_layout_read((uint8_t *)p, (size_t)np);
    if (!l) return NULL;
    levada_in in = {(uint8_t *)q, (uint64_t)nq, 0};
    PyObject *one = levada_build(c, l, in.p, in.n), *other = by_hand(c, template_, key, in);
    if (!one || !other) return NULL;
    double t0 = cpu_ns();
    for (int64_t i = 0; i < n; i++) Py_DecRef(levada_build(c, l, in.p, in.n));
    double t1 = cpu_ns();
    for (int64_t i = 0; i < n; i++) Py_DecRef(by_hand(c, template_, key, in));
    double t2 = cpu_ns();
    PyObject *out = PyTuple_New(4);
    PyTuple_SetItem(out, 0, PyFloat_FromDouble((t1 - t0) / (double)n));
    PyTuple_SetItem(out, 1, PyFloat_FromDouble((t2 - t1) / (double)n));
    PyTuple_SetItem(out, 2, one);
    PyTuple_SetItem(out, 3, other);
    Py_DecRef(template_);
    levada_layout_free(l);
    return out;
}

static PyObject *encode(PyObject *module, PyObject *args) {
    char *p;
    Py_ssize_t n;
    levada_fault fault;
    levada_buf out = {0};
    if (PyBytes_AsStringAndSize(PyTuple_GetItem(args, 0), &p, &n) < 0) return NULL;
    levada_layout *l = levada_layout_read((uint8_t *)p, (size_t)n);
    if (!l || levada_encode(codec_of(module), l, PyTuple_GetItem(args, 1), &out, &fault) < 0) return NULL;
    PyObject *res = PyBytes_FromStringAndSize((char *)out.p, (Py_ssize_t)out.len);
    levada_buf_free(&out);
    levada_layout_free(l);
    return res;
}

static PyMethodDef methods[] = {{"timed", timed, METH_VARARGS, NULL}, {"encode", encode, METH_VARARGS, NULL}, {0}};
static int exec(PyObject *module) { return levada_codec_init(codec_of(module)); }
static void free_module(void *module) { levada_codec_clear(codec_of(module)); }
static PyModuleDef_Slot slots[] = {{Py_mod_exec, exec}, {0, NULL}};
static PyModuleDef definition = {
    .m_base = {.ob_base = {.ob_refcnt = 1}}, .m_name = "floor", .m_size = sizeof(levada_codec),
    .m_methods = methods, .m_slots = slots, .m_free = free_module,
};
PyObject *PyInit_floor(void);
PyObject *PyInit_floor(void) { return PyModuleDef_Init(&definition); }
