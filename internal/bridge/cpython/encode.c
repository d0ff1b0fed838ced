#include "codec.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"

int levada_buf_grow(levada_buf *b, size_t n) {
    size_t cap = b->cap ? b->cap : 1024;
    if (n > SIZE_MAX / 2 || b->len > SIZE_MAX / 2) return -1;
    while (cap - b->len < n) cap *= 2;
    uint8_t *p = realloc(b->p, cap);
    if (!p) return -1;
    b->p = p;
    b->cap = cap;
    return 0;
}

void levada_buf_free(levada_buf *b) {
    free(b->p);
    *b = (levada_buf){0};
}

void levada_type_name(PyObject *v, char *text, size_t size) {
    if (v == Py_None) {
        snprintf(text, size, "None");
        return;
    }
    PyObject *name = PyType_GetName(typeof_(v)); /* owned */
    const char *s = name ? PyUnicode_AsUTF8AndSize(name, NULL) : NULL;
    snprintf(text, size, "%.100s", s ? s : "?");
    PyErr_Clear();
    Py_DecRef(name);
}

void levada_fault_text(const levada_fault *f, char *text, size_t size) {
    snprintf(text, size, "%s - at `$%s`", f->what, f->path);
}

typedef struct {
    levada_buf *out;
    levada_codec *c;
    const levada_node *nodes;
    levada_fault *fault;
} writer;

/* Everything here is off the good path and must not widen the frames of the recursion. */
#define COLD __attribute__((noinline, cold))

COLD static int no_memory(void) {
    PyErr_NoMemory();
    return -1;
}

COLD static int fault(writer *w, PyObject *type, const char *what) {
    snprintf(w->fault->what, sizeof w->fault->what, "%s", what);
    w->fault->type = type;
    return -1;
}

COLD static int mismatch(writer *w, const char *expected, PyObject *v) {
    char got[128], text[256];
    levada_type_name(v, got, sizeof got);
    snprintf(text, sizeof text, "expected `%s`, got `%s`", expected, got);
    return fault(w, PyExc_TypeError, text);
}

COLD static int bad_key(writer *w, PyObject *key) {
    char got[128], text[256];
    levada_type_name(key, got, sizeof got);
    snprintf(text, sizeof text, "expected keys of `str`, got one of `%s`", got);
    return fault(w, PyExc_TypeError, text);
}

static void prepend(writer *w, const char *segment) {
    levada_fault *f = w->fault;
    size_t n = strlen(segment), old = strlen(f->path);
    if (n + old >= sizeof f->path) { /* the innermost segments matter less than the outermost */
        if (n + 3 >= sizeof f->path) return;
        old = sizeof f->path - n - 4;
        memcpy(f->path + old, "...", 4);
        old += 3;
    }
    memmove(f->path + n, f->path, old + 1);
    memcpy(f->path, segment, n);
}

static int plain_name(const char *s) {
    for (const char *p = s; *p; p++) {
        if (!(*p == '_' || (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (p > s && *p >= '0' && *p <= '9'))) return 0;
    }
    return *s != 0;
}

COLD static int in_key(writer *w, PyObject *key) {
    char text[160];
    if (!w->fault->what[0]) return -1; /* an exception is set instead */
    const char *s = PyUnicode_AsUTF8AndSize(key, NULL);
    PyErr_Clear();
    snprintf(text, sizeof text, s && plain_name(s) ? ".%.120s" : "[\"%.120s\"]", s ? s : "?");
    prepend(w, text);
    return -1;
}

COLD static int in_index(writer *w, Py_ssize_t i) {
    char text[32];
    snprintf(text, sizeof text, "[%zd]", i);
    prepend(w, text);
    return -1;
}

COLD static int missing(writer *w, PyObject *key) {
    char text[256];
    const char *s = PyUnicode_AsUTF8AndSize(key, NULL);
    snprintf(text, sizeof text, "missing member `%.200s`", s ? s : "?");
    PyErr_Clear();
    return fault(w, PyExc_ValueError, text);
}

COLD static int deep(writer *w) {
    char text[64];
    snprintf(text, sizeof text, "nested deeper than %d", LEVADA_MAX_DEPTH);
    return fault(w, PyExc_ValueError, text);
}

COLD static int out_of_range(writer *w, const char *expected, PyObject *v) {
    char text[256];
    PyErr_Clear();
    PyObject *s = PyObject_Str(v); /* owned; refused beyond some thousand digits */
    const char *digits = s ? PyUnicode_AsUTF8AndSize(s, NULL) : NULL;
    if (digits && strlen(digits) <= 40) {
        snprintf(text, sizeof text, "expected `int` of %s, got %s", expected, digits);
    } else {
        snprintf(text, sizeof text, "expected `int` of %s, got a larger one", expected);
    }
    PyErr_Clear();
    Py_DecRef(s);
    return fault(w, PyExc_OverflowError, text);
}

/* Whether writing a value of the kind may run code of the user, who may then drop it:
 * containers and any hold times, and a time has a tzinfo. The others only read memory,
 * and the container keeps them meanwhile. */
static inline bool runs_code(uint8_t kind) { return kind >= LEVADA_TIME; }

static int any(writer *w, PyObject *v, int depth);
static int value(writer *w, const levada_node *node, PyObject *v, int depth);
static int bare(writer *w, const levada_node *node, PyObject *v, int depth);

static bool is_float(PyObject *v) {
    return typeof_(v) == &PyFloat_Type || PyType_IsSubtype(typeof_(v), &PyFloat_Type);
}

/* Appends text. */
static int string(writer *w, PyObject *v) {
    Py_ssize_t n;
    const char *s = PyUnicode_AsUTF8AndSize(v, &n); /* lives as long as v */
    if (!s) {
        if (PyErr_ExceptionMatches(PyExc_MemoryError)) return -1;
        PyErr_Clear();
        return fault(w, PyExc_ValueError, "expected `str` of whole characters, got one with a lone surrogate");
    }
    return levada_put_bytes(w->out, s, (size_t)n) < 0 ? no_memory() : 0;
}

static int bytes(writer *w, PyObject *v) {
    char *p;
    Py_ssize_t n;
    if (PyBytes_AsStringAndSize(v, &p, &n) < 0) return -1;
    return levada_put_bytes(w->out, p, (size_t)n) < 0 ? no_memory() : 0;
}

static inline int put_u64(writer *w, uint64_t v) {
    if (buf_need(w->out, 8) < 0) return no_memory();
    put64(w->out, v);
    return 0;
}

static const struct {
    const char *name;
    int64_t min, max;
} ranges[] = {
    [LEVADA_INT8] = {"int8", INT8_MIN, INT8_MAX},      [LEVADA_INT16] = {"int16", INT16_MIN, INT16_MAX},
    [LEVADA_INT32] = {"int32", INT32_MIN, INT32_MAX},  [LEVADA_INT64] = {"int64", INT64_MIN, INT64_MAX},
    [LEVADA_UINT8] = {"uint8", 0, UINT8_MAX},          [LEVADA_UINT16] = {"uint16", 0, UINT16_MAX},
    [LEVADA_UINT32] = {"uint32", 0, UINT32_MAX},       [LEVADA_UINT64] = {"uint64", 0, INT64_MAX},
};

static int integer(writer *w, uint8_t kind, PyObject *v) {
    if (!is_int(v)) return mismatch(w, "int", v);
    int over;
    int64_t i = PyLong_AsLongLongAndOverflow(v, &over);
    if (over) {
        if (over > 0 && kind == LEVADA_UINT64) {
            uint64_t u = PyLong_AsUnsignedLongLong(v);
            if (u != UINT64_MAX || !PyErr_Occurred()) return put_u64(w, u);
        }
        return out_of_range(w, ranges[kind].name, v);
    }
    if (i == -1 && PyErr_Occurred()) return -1;
    if (i < ranges[kind].min || i > ranges[kind].max) return out_of_range(w, ranges[kind].name, v);
    return put_u64(w, (uint64_t)i);
}

static int floating(writer *w, PyObject *v) {
    double d;
    if (is_float(v)) {
        d = PyFloat_AsDouble(v);
    } else if (is_int(v)) {
        d = PyLong_AsDouble(v);
        if (d == -1 && PyErr_Occurred()) return out_of_range(w, "the range of float", v);
    } else {
        return mismatch(w, "float", v);
    }
    uint64_t u;
    memcpy(&u, &d, 8);
    return put_u64(w, u);
}

/* v is owned by the caller: a tzinfo of the user may run. */
COLD static int timestamp(writer *w, PyObject *v) {
    int64_t us;
    if (!levada_is_datetime(w->c, v)) return mismatch(w, "datetime", v);
    if (levada_micros(w->c, v, &us) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_TypeError)) return -1;
        PyErr_Clear(); /* datetime's own words for a naive one */
        return fault(w, PyExc_ValueError, "expected `datetime` with a time zone, got one without");
    }
    return put_u64(w, (uint64_t)us);
}

COLD static int duration(writer *w, PyObject *v) {
    int64_t us;
    if (!levada_is_timedelta(w->c, v)) return mismatch(w, "timedelta", v);
    if (levada_ticks(w->c, v, &us) < 0) {
        if (!PyErr_ExceptionMatches(PyExc_OverflowError)) return -1;
        PyErr_Clear();
        return fault(w, PyExc_OverflowError, "expected `timedelta` within 64 bits of microseconds, got a longer one");
    }
    return put_u64(w, (uint64_t)us);
}

/* How a value of a constant is shown: what a user's class says of itself may fail. */
COLD static void show(PyObject *v, char *text, size_t size) {
    PyObject *s = PyObject_Repr(v); /* owned */
    const char *shown = s ? PyUnicode_AsUTF8AndSize(s, NULL) : NULL;
    snprintf(text, size, "%.80s", shown ? shown : "another value");
    PyErr_Clear();
    Py_DecRef(s);
}

/* A value that must be the constant; v is owned by the caller. */
COLD static int constant(writer *w, const levada_node *node, PyObject *v, int depth) {
    const levada_node base = {.kind = node->base};
    size_t at = w->out->len;
    if (bare(w, &base, v, depth) < 0) return -1;
    if (w->out->len - at == node->nfixed && memcmp(w->out->p + at, node->fixed, node->nfixed) == 0) return 0;
    char expected[96], got[96], text[256];
    show(node->constant, expected, sizeof expected);
    show(v, got, sizeof got);
    snprintf(text, sizeof text, "expected `%s`, got `%s`", expected, got);
    return fault(w, PyExc_ValueError, text);
}

/* A tuple of the layout, from a tuple or a list of just as many elements. */
static int positions(writer *w, const levada_node *node, PyObject *v, int depth) {
    bool tuple = flags_(v) & Py_TPFLAGS_TUPLE_SUBCLASS;
    for (uint32_t i = 0; i < node->nelems; i++) {
        /* Asked for at every turn: a tzinfo of the user may change a list. */
        Py_ssize_t n = tuple ? PyTuple_Size(v) : PyList_Size(v);
        if (n != node->nelems) {
            char text[128];
            snprintf(text, sizeof text, "expected %u elements, got %zd", node->nelems, n);
            return fault(w, PyExc_ValueError, text);
        }
        PyObject *e = tuple ? PyTuple_GetItem(v, i) : PyList_GetItem(v, i); /* borrowed */
        if (!e) return -1;
        const levada_node *en = &w->nodes[node->elems[i]];
        bool own = runs_code(en->kind);
        if (own) Py_IncRef(e);
        int rc = value(w, en, e, depth);
        if (own) Py_DecRef(e);
        if (rc < 0) return in_index(w, i);
    }
    return 0;
}

/* Elements of a list or tuple; node NULL: any. */
static int list(writer *w, const levada_node *node, PyObject *v, int depth, bool tuple) {
    Py_ssize_t n = tuple ? PyTuple_Size(v) : PyList_Size(v);
    size_t at = w->out->len;
    if (n < 0) return -1;
    if (n > UINT32_MAX) return fault(w, PyExc_ValueError, "expected at most 4294967295 elements");
    if (buf_need(w->out, 4) < 0) return no_memory();
    put32(w->out, (uint32_t)n);
    Py_ssize_t i = 0;
    for (; i < n; i++) {
        PyObject *e = tuple ? PyTuple_GetItem(v, i) : PyList_GetItem(v, i); /* borrowed */
        if (!e) break; /* the list shrank under us: only a tzinfo of the user can do that */
        bool own = !node || runs_code(node->kind);
        if (own) Py_IncRef(e);
        int rc = node ? value(w, node, e, depth) : any(w, e, depth);
        if (own) Py_DecRef(e);
        if (rc < 0) return in_index(w, i);
    }
    if (i < n) {
        PyErr_Clear();
        put32_at(w->out, at, (uint32_t)i);
    }
    return 0;
}

/* Entries of a dict; node NULL: any. skip: a dict whose keys are left out. */
static int entries(writer *w, const levada_node *node, PyObject *v, PyObject *skip, int depth) {
    size_t at = w->out->len;
    uint32_t n = 0;
    Py_ssize_t pos = 0;
    PyObject *key, *val; /* borrowed from v; owned while what they hold may change */
    if (buf_need(w->out, 4) < 0) return no_memory();
    put32(w->out, 0);
    while (PyDict_Next(v, &pos, &key, &val)) {
        if (!is_str(key)) return bad_key(w, key);
        if (skip) {
            if (PyDict_GetItemWithError(skip, key)) continue;
            if (PyErr_Occurred()) return -1;
        }
        bool own = !node || runs_code(node->kind);
        if (own) {
            Py_IncRef(key);
            Py_IncRef(val);
        }
        int rc = string(w, key);
        if (rc == 0) {
            rc = node ? value(w, node, val, depth) : any(w, val, depth);
            if (rc < 0) in_key(w, key);
        }
        if (own) {
            Py_DecRef(val);
            Py_DecRef(key);
        }
        if (rc < 0) return -1;
        n++;
    }
    put32_at(w->out, at, n);
    return 0;
}

static int structure(writer *w, const levada_node *node, PyObject *v, int depth) {
    const levada_field *f = node->fields;
    Py_ssize_t found = 0, pos = 0;
    bool in_order = true;
    for (uint32_t i = 0; i < node->nfields; i++, f++) {
        const levada_node *fn = &w->nodes[f->node];
        PyObject *key, *e; /* borrowed */
        /* A dict that was written down in the order of the fields, or was built here, need
         * not be searched: the next key is the very one. */
        if (in_order && !(PyDict_Next(v, &pos, &key, &e) && key == f->key)) in_order = false;
        if (!in_order) e = PyDict_GetItemWithError(v, f->key);
        if (!e) {
            if (PyErr_Occurred()) return -1; /* a key of the user's with an __eq__ of its own */
            if (!(f->flags & LEVADA_OPTIONAL)) return missing(w, f->key);
            if (buf_need(w->out, 1) < 0) return no_memory();
            put8(w->out, LEVADA_ABSENT);
            continue;
        }
        found++;
        bool own = runs_code(fn->kind);
        if (own) Py_IncRef(e);
        int rc;
        if (f->flags & LEVADA_OPTIONAL) {
            if (buf_need(w->out, 1) < 0) {
                rc = no_memory();
            } else if (e == Py_None && fn->flags & LEVADA_NULLABLE) {
                put8(w->out, LEVADA_NULL);
                rc = 0;
            } else {
                put8(w->out, LEVADA_PRESENT);
                rc = bare(w, fn, e, depth);
            }
        } else {
            rc = value(w, fn, e, depth);
        }
        if (own) Py_DecRef(e);
        if (rc < 0) return in_key(w, f->key);
    }
    if (!(node->flags & LEVADA_EXTRA)) return 0;
    if (PyDict_Size(v) > found) return entries(w, NULL, v, node->template_, depth);
    if (buf_need(w->out, 4) < 0) return no_memory();
    put32(w->out, 0);
    return 0;
}

/* Called from the recursion, whose frames must not grow for it. */
#define APART __attribute__((noinline))

/* --- unions: which variant a value is ------------------------------------------------ */

/* The kinds by which Python tells variants that are no structs. Text that is a time or
 * bytes has a type of its own here. */
enum form { F_NONE, F_BOOL, F_INT, F_FLOAT, F_STR, F_BYTES, F_TIME, F_DURATION, F_LIST, F_DICT };

APART static enum form form_of(writer *w, PyObject *v) {
    unsigned long flags = flags_(v);
    if (flags & Py_TPFLAGS_DICT_SUBCLASS) return F_DICT;
    if (is_str(v)) return F_STR;
    if (typeof_(v) == &PyBool_Type) return F_BOOL;
    if (is_int(v)) return F_INT;
    if (is_float(v)) return F_FLOAT;
    if (flags & (Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS)) return F_LIST;
    if (flags & Py_TPFLAGS_BYTES_SUBCLASS) return F_BYTES;
    if (levada_is_datetime(w->c, v)) return F_TIME;
    if (levada_is_timedelta(w->c, v)) return F_DURATION;
    return F_NONE;
}

/* Whether a variant of this kind takes values of the form. */
static bool takes(uint8_t kind, enum form f) {
    switch (kind) {
    case LEVADA_BOOL:
        return f == F_BOOL;
    case LEVADA_FLOAT32:
    case LEVADA_FLOAT64:
        return f == F_INT || f == F_FLOAT;
    case LEVADA_STRING:
        return f == F_STR;
    case LEVADA_BYTES:
        return f == F_BYTES;
    case LEVADA_TIME:
        return f == F_TIME;
    case LEVADA_DURATION:
        return f == F_DURATION;
    case LEVADA_LIST:
    case LEVADA_TUPLE:
        return f == F_LIST;
    case LEVADA_MAP:
    case LEVADA_STRUCT:
        return f == F_DICT;
    }
    return f == F_INT;
}

/* What Python calls the values of a variant: of a struct the class. */
COLD static void variant_name(const levada_node *n, char *text, size_t size) {
    const char *name;
    switch (n->kind) {
    case LEVADA_BOOL:
        name = "bool";
        break;
    case LEVADA_FLOAT32:
    case LEVADA_FLOAT64:
        name = "float";
        break;
    case LEVADA_STRING:
        name = "str";
        break;
    case LEVADA_BYTES:
        name = "bytes";
        break;
    case LEVADA_TIME:
        name = "datetime";
        break;
    case LEVADA_DURATION:
        name = "timedelta";
        break;
    case LEVADA_LIST:
        name = "list";
        break;
    case LEVADA_TUPLE:
        name = "tuple";
        break;
    case LEVADA_MAP:
        name = "dict";
        break;
    case LEVADA_STRUCT:
        name = *n->name ? n->name : "dict";
        for (const char *p = name; *p && *p != '['; p++) {
            if (*p == '.' || *p == ':') name = p + 1;
        }
        break;
    default:
        name = "int";
    }
    snprintf(text, size, "`%s`", name);
}

/* Names the variants of n that are set in of; NULL: all. The text may end early. */
COLD static void variant_names(writer *w, const levada_node *n, const uint8_t *of, const char *last, char *text, size_t size) {
    uint32_t left = 0;
    size_t at = 0;
    char name[80];
    for (uint32_t i = 0; i < n->nelems; i++) left += !of || of[i];
    text[0] = 0;
    for (uint32_t i = 0; i < n->nelems; i++) {
        if (of && !of[i]) continue;
        variant_name(&w->nodes[n->elems[i]], name, sizeof name);
        left--;
        int wrote = snprintf(text + at, size - at, "%s%s", name, left == 0 ? "" : left == 1 ? last : ", ");
        if (wrote < 0 || (size_t)wrote + 4 >= size - at) {
            snprintf(text + at, size - at, "...");
            return;
        }
        at += (size_t)wrote;
    }
}

/* Whether v is the constant. -1: exception set. */
APART static int is_constant(writer *w, const levada_node *node, PyObject *v) {
    if (v == node->constant) return 1;
    const levada_node base = {.kind = node->base};
    size_t at = w->out->len;
    int rc = bare(w, &base, v, 0);
    bool is = rc == 0 && w->out->len - at == node->nfixed && memcmp(w->out->p + at, node->fixed, node->nfixed) == 0;
    w->out->len = at;
    if (rc < 0 && !w->fault->what[0]) return -1;
    w->fault->what[0] = 0;
    return is;
}

enum fit { NO_FIT = 0, FITS = 1, TAGGED = 2, WHOLE = 4 };

/* How far a dict is a struct: FITS if no constant in it is wrong, TAGGED if one is right,
 * WHOLE if no required member is missing. -1: exception set. */
APART static int fit_of(writer *w, const levada_node *node, PyObject *v) {
    int fit = FITS | WHOLE;
    const levada_field *f = node->fields;
    for (uint32_t i = 0; i < node->nfields; i++, f++) {
        PyObject *e = PyDict_GetItemWithError(v, f->key); /* borrowed */
        if (!e) {
            if (PyErr_Occurred()) return -1; /* a key of the user's with an __eq__ of its own */
            if (!(f->flags & LEVADA_OPTIONAL)) fit &= ~WHOLE;
            continue;
        }
        const levada_node *fn = &w->nodes[f->node];
        if (fn->kind != LEVADA_CONST) continue;
        Py_IncRef(e);
        int is = is_constant(w, fn, e);
        Py_DecRef(e);
        if (is <= 0) return is; /* NO_FIT */
        fit |= TAGGED;
    }
    return fit;
}

/* A dict that is none of the variants, or may be those that are set in fits. */
COLD static int undecided(writer *w, const levada_node *node, const uint8_t *fits) {
    char names[100], some[100], text[256];
    variant_names(w, node, NULL, " or ", names, sizeof names);
    if (!fits) {
        snprintf(text, sizeof text, "expected %s, got a dict with the constants and required members of none of them", names);
    } else {
        variant_names(w, node, fits, " and ", some, sizeof some);
        snprintf(text, sizeof text, "expected %s, got a dict that may be %s", names, some);
    }
    return fault(w, PyExc_ValueError, text);
}

COLD static int no_variant(writer *w, const levada_node *node, PyObject *v) {
    char names[180];
    variant_names(w, node, NULL, " or ", names, sizeof names);
    names[strlen(names) - 1] = 0; /* mismatch has the outer quotes */
    return mismatch(w, names + 1, v);
}

/* The variant that a dict is, of several structs: by the rule of abi/frame.md for JSON. */
APART static const levada_node *variant_of(writer *w, const levada_node *node, PyObject *v) {
    uint8_t fits[255];
    uint32_t tagged = 0, whole = 0, at = 0;
    for (uint32_t i = 0; i < node->nelems; i++) {
        const levada_node *e = &w->nodes[node->elems[i]];
        int fit = takes(e->kind, F_DICT) ? fit_of(w, e, v) : NO_FIT;
        if (fit < 0) return NULL;
        fits[i] = (uint8_t)fit;
        if (fit & TAGGED) {
            tagged++;
            at = i;
        }
    }
    if (tagged == 1) return &w->nodes[node->elems[at]];
    for (uint32_t i = 0; i < node->nelems; i++) {
        fits[i] = fits[i] & WHOLE && (!tagged || fits[i] & TAGGED);
        if (!fits[i]) continue;
        if (!whole++) at = i;
    }
    const levada_node *first = &w->nodes[node->elems[at]];
    /* As the first of several nothing is lost where it keeps what it does not name. */
    if (whole == 1 || (whole && first->flags & LEVADA_EXTRA)) return first;
    undecided(w, node, whole ? fits : NULL);
    return NULL;
}

/* Writes which variant v is, and returns it. NULL: it is none. v is owned by the caller. */
APART static const levada_node *variant(writer *w, const levada_node *node, PyObject *v) {
    enum form f = form_of(w, v);
    const levada_node *found = NULL;
    uint32_t count = 0, at = 0;
    for (uint32_t i = 0; i < node->nelems; i++) {
        const levada_node *e = &w->nodes[node->elems[i]];
        if (takes(e->kind, f)) {
            count++;
            found = e;
        }
    }
    if (count == 0) {
        no_variant(w, node, v);
        return NULL;
    }
    if (count > 1 && !(found = variant_of(w, node, v))) return NULL;
    while (&w->nodes[node->elems[at]] != found) at++;
    if (buf_need(w->out, 1) < 0) {
        no_memory();
        return NULL;
    }
    put8(w->out, (uint8_t)at);
    return found;
}

static int value(writer *w, const levada_node *node, PyObject *v, int depth) {
    if (node->flags & LEVADA_NULLABLE) {
        if (buf_need(w->out, 1) < 0) return no_memory();
        put8(w->out, v == Py_None ? LEVADA_NULL : LEVADA_PRESENT);
        if (v == Py_None) return 0;
    }
    return bare(w, node, v, depth);
}

static int bare(writer *w, const levada_node *node, PyObject *v, int depth) {
    unsigned long flags;
again:
    switch (node->kind) {
    case LEVADA_BOOL:
        if (typeof_(v) != &PyBool_Type) return mismatch(w, "bool", v);
        if (buf_need(w->out, 1) < 0) return no_memory();
        put8(w->out, v == Py_True);
        return 0;
    case LEVADA_FLOAT32:
    case LEVADA_FLOAT64:
        return floating(w, v);
    case LEVADA_STRING:
        if (!is_str(v)) return mismatch(w, "str", v);
        return string(w, v);
    case LEVADA_BYTES:
        if (!(flags_(v) & Py_TPFLAGS_BYTES_SUBCLASS)) return mismatch(w, "bytes", v);
        return bytes(w, v);
    case LEVADA_TIME:
        return timestamp(w, v);
    case LEVADA_DURATION:
        return duration(w, v);
    case LEVADA_TUPLE:
        if (!(flags_(v) & (Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS))) return mismatch(w, "tuple", v);
        if (depth >= LEVADA_MAX_DEPTH) return deep(w);
        return positions(w, node, v, depth + 1);
    case LEVADA_ANY:
        return any(w, v, depth);
    case LEVADA_CONST:
        return constant(w, node, v, depth);
    case LEVADA_UNION:
        if (!(node = variant(w, node, v))) return -1;
        goto again; /* and not a call: the stack need not hold twice as much */
    case LEVADA_LIST:
        flags = flags_(v);
        if (!(flags & (Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS))) return mismatch(w, "list", v);
        if (depth >= LEVADA_MAX_DEPTH) return deep(w);
        return list(w, &w->nodes[node->elem], v, depth + 1, flags & Py_TPFLAGS_TUPLE_SUBCLASS);
    case LEVADA_MAP:
    case LEVADA_STRUCT:
        if (!is_dict(v)) return mismatch(w, "dict", v);
        if (depth >= LEVADA_MAX_DEPTH) return deep(w);
        if (node->kind == LEVADA_STRUCT) return structure(w, node, v, depth + 1);
        return entries(w, &w->nodes[node->elem], v, NULL, depth + 1);
    }
    return integer(w, node->kind, v);
}

static int tag(writer *w, uint8_t t) {
    if (buf_need(w->out, 1) < 0) return no_memory();
    put8(w->out, t);
    return 0;
}

static int any_int(writer *w, PyObject *v) {
    int over;
    int64_t i = PyLong_AsLongLongAndOverflow(v, &over);
    if (over == 0) {
        if (i == -1 && PyErr_Occurred()) return -1;
        return tag(w, LEVADA_TAG_INT) < 0 ? -1 : put_u64(w, (uint64_t)i);
    }
    if (over > 0) {
        uint64_t u = PyLong_AsUnsignedLongLong(v);
        if (u != UINT64_MAX || !PyErr_Occurred()) return tag(w, LEVADA_TAG_UINT) < 0 ? -1 : put_u64(w, u);
    }
    return out_of_range(w, "64 bits", v);
}

static int any(writer *w, PyObject *v, int depth) {
    if (is_str(v)) return tag(w, LEVADA_TAG_STRING) < 0 ? -1 : string(w, v);
    unsigned long flags = flags_(v);
    if (flags & Py_TPFLAGS_LONG_SUBCLASS) {
        if (typeof_(v) == &PyBool_Type) return tag(w, v == Py_True ? LEVADA_TAG_TRUE : LEVADA_TAG_FALSE);
        return any_int(w, v);
    }
    if (flags & Py_TPFLAGS_DICT_SUBCLASS) {
        if (depth >= LEVADA_MAX_DEPTH) return deep(w);
        return tag(w, LEVADA_TAG_MAP) < 0 ? -1 : entries(w, NULL, v, NULL, depth + 1);
    }
    if (flags & (Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS)) {
        if (depth >= LEVADA_MAX_DEPTH) return deep(w);
        return tag(w, LEVADA_TAG_LIST) < 0 ? -1 : list(w, NULL, v, depth + 1, flags & Py_TPFLAGS_TUPLE_SUBCLASS);
    }
    if (v == Py_None) return tag(w, LEVADA_TAG_NULL);
    if (is_float(v)) return tag(w, LEVADA_TAG_FLOAT) < 0 ? -1 : floating(w, v);
    if (flags & Py_TPFLAGS_BYTES_SUBCLASS) return tag(w, LEVADA_TAG_BYTES) < 0 ? -1 : bytes(w, v);
    if (levada_is_datetime(w->c, v)) return tag(w, LEVADA_TAG_TIME) < 0 ? -1 : timestamp(w, v);
    if (levada_is_timedelta(w->c, v)) return tag(w, LEVADA_TAG_DURATION) < 0 ? -1 : duration(w, v);
    return mismatch(w, "None`, `bool`, `int`, `float`, `str`, `bytes`, `datetime`, `timedelta`, `list` or `dict", v);
}

int levada_encode(levada_codec *c, const levada_layout *l, PyObject *v, levada_buf *out, levada_fault *fault) {
    writer w = {out, c, l->nodes, fault};
    size_t begin = out->len;
    fault->what[0] = fault->path[0] = 0;
    if (value(&w, &l->nodes[0], v, 0) == 0) return 0;
    out->len = begin;
    if (fault->what[0]) PyErr_Clear();
    return -1;
}
