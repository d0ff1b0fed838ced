#include "codec.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"

int levada_codec_init(levada_codec *c) { return levada_clock_init(c); }

int levada_codec_traverse(levada_codec *c, visitproc visit, void *arg) {
    PyObject *held[] = {c->datetime, c->timedelta, c->epoch, c->tick, c->utc};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) {
        int rc = held[i] ? visit(held[i], arg) : 0;
        if (rc) return rc;
    }
    return 0; /* strings are in no cycle */
}

static void drop(PyObject **o) {
    PyObject *old = *o;
    *o = NULL;
    Py_DecRef(old);
}

void levada_codec_clear(levada_codec *c) {
    c->clock = NULL;
    drop(&c->datetime);
    drop(&c->timedelta);
    drop(&c->epoch);
    drop(&c->tick);
    drop(&c->utc);
    for (int i = 0; i < LEVADA_CACHE; i++) drop(&c->cache[i].str);
}

static inline uint64_t load64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, 8);
    return v;
}

/* Reads n <= LEVADA_CACHED bytes into four words, zero filled. The last word of many is
 * read so that it ends with the bytes, and shifted: a copy in memory that is read again at
 * once, in words that do not begin where the copy's moves did, would stall. */
static inline void words_of(uint64_t w[4], const uint8_t *p, uint32_t n) {
    w[0] = w[1] = w[2] = w[3] = 0;
    if (n >= 8) {
        uint64_t last = load64(p + n - 8);
        w[0] = load64(p);
        if (n > 24) {
            w[1] = load64(p + 8);
            w[2] = load64(p + 16);
            w[3] = last >> (8 * (32 - n));
        } else if (n > 16) {
            w[1] = load64(p + 8);
            w[2] = last >> (8 * (24 - n));
        } else if (n > 8) {
            w[1] = last >> (8 * (16 - n));
        }
    } else if (n >= 4) {
        uint32_t first, last;
        memcpy(&first, p, 4);
        memcpy(&last, p + n - 4, 4);
        w[0] = first | (uint64_t)last << (8 * (n - 4));
    } else if (n) {
        w[0] = p[0] | (uint64_t)p[n >> 1] << (8 * (n >> 1)) | (uint64_t)p[n - 1] << (8 * (n - 1));
    }
}

PyObject *levada_str(levada_codec *c, const uint8_t *p, uint32_t n) {
    if (n > LEVADA_CACHED) return PyUnicode_FromStringAndSize((const char *)p, n);
    uint64_t key[4];
    words_of(key, p, n);
    key[3] |= (uint64_t)n << 32;
    /* The products do not wait for each other; the last one carries every bit to the top. */
    uint64_t h = key[0] * 0x9e3779b97f4a7c15u + key[1] * 0xbf58476d1ce4e5b9u;
    h ^= key[2] * 0x94d049bb133111ebu + key[3] * 0xd6e8feb86659fd93u;
    h = (h ^ (h >> 32)) * 0x9e3779b97f4a7c15u;
    levada_cached *e = &c->cache[h >> 53];
    if (e->str && e->key[0] == key[0] && e->key[1] == key[1] && e->key[2] == key[2] && e->key[3] == key[3]) return ref(e->str);
    PyObject *s = PyUnicode_FromStringAndSize((const char *)p, n);
    if (!s) return NULL;
    PyObject *old = e->str; /* takes over the entry's reference */
    memcpy(e->key, key, sizeof key);
    e->str = ref(s);
    Py_DecRef(old);
    return s;
}

/* One conversion. */
typedef struct {
    levada_in in;
    levada_codec *c;
    const levada_node *nodes;
    char where[200]; /* path of an error, built from the inside out */
} builder;

/* A value with the presence byte that its node asks for, and one without. */
static PyObject *value(builder *b, const levada_node *node, int depth);
static PyObject *bare(builder *b, const levada_node *node, int depth);

/* A frame that does not hold what its layout says: Go wrote it, so it is our fault. */
static PyObject *truncated(void) {
    PyErr_SetString(PyExc_ValueError, "BUG: frame: not what its layout says");
    return NULL;
}

/* Puts a segment in front of the path. */
static void prepend(builder *b, const char *segment) {
    size_t n = strlen(segment), old = strlen(b->where);
    if (n + old >= sizeof b->where) return;
    memmove(b->where + n, b->where, old + 1);
    memcpy(b->where, segment, n);
}

static void in_key(builder *b, PyObject *key) {
    char text[80];
    PyObject *type, *val, *tb; /* owned: AsUTF8AndSize must not run with an exception set */
    PyErr_Fetch(&type, &val, &tb);
    const char *s = PyUnicode_AsUTF8AndSize(key, NULL);
    PyErr_Clear();
    PyErr_Restore(type, val, tb);
    snprintf(text, sizeof text, ".%s", s ? s : "?");
    prepend(b, text);
}

static void in_index(builder *b, uint32_t i) {
    char text[16];
    snprintf(text, sizeof text, "[%u]", i);
    prepend(b, text);
}

/* Cold, so that the arrays above do not widen the frames of the recursion. */
__attribute__((noinline)) static PyObject *fail_key(builder *b, PyObject *container, PyObject *key, PyObject *owned_key) {
    in_key(b, key);
    Py_DecRef(owned_key);
    Py_DecRef(container);
    return NULL;
}
__attribute__((noinline)) static PyObject *fail_index(builder *b, PyObject *container, uint32_t i) {
    in_index(b, i);
    Py_DecRef(container);
    return NULL;
}

static PyObject *string(builder *b) {
    uint32_t n;
    const uint8_t *p = take_bytes(&b->in, &n);
    return p ? levada_str(b->c, p, n) : truncated();
}

static PyObject *bytes(builder *b) {
    uint32_t n;
    const uint8_t *p = take_bytes(&b->in, &n);
    return p ? PyBytes_FromStringAndSize((const char *)p, n) : truncated();
}

static PyObject *any(builder *b, int depth);

/* A list whose elements are of node; NULL: any. */
static PyObject *list(builder *b, const levada_node *node, int depth) {
    uint32_t n;
    if (!take32(&b->in, &n)) return truncated();
    /* Every value is at least min bytes long. One without any bytes is a struct
     * without members, which no type has. */
    if ((uint64_t)n * (node && node->min ? node->min : 1) > b->in.n - b->in.off) return truncated();
    PyObject *out = PyList_New(n); /* owned */
    if (!out) return NULL;
    for (uint32_t i = 0; i < n; i++) {
        PyObject *v = node ? value(b, node, depth) : any(b, depth);
        if (!v) return fail_index(b, out, i);
        if (PyList_SetItem(out, i, v) < 0) { /* takes over v, in any case */
            Py_DecRef(out);
            return NULL;
        }
    }
    return out;
}

/* The entries of a map, into a dict. Takes over the reference to out. */
static PyObject *entries(builder *b, PyObject *out, const levada_node *node, int depth) {
    uint32_t n;
    if (!out) return NULL;
    if (!take32(&b->in, &n)) {
        Py_DecRef(out);
        return truncated();
    }
    for (uint32_t i = 0; i < n; i++) {
        PyObject *key = string(b); /* owned */
        if (!key) return fail_index(b, out, i);
        PyObject *v = node ? value(b, node, depth) : any(b, depth); /* owned */
        if (!v) return fail_key(b, out, key, key);
        int rc = PyDict_SetItem(out, key, v);
        Py_DecRef(v);
        Py_DecRef(key);
        if (rc < 0) {
            Py_DecRef(out);
            return NULL;
        }
    }
    return out;
}

static PyObject *structure(builder *b, const levada_node *node, int depth) {
    /* A copy with every key in order, each with None, need not grow; a dict of a few keys
     * does not grow anyway, and its room comes from CPython's free list. */
    bool copied = node->nfields > LEVADA_FEW;
    PyObject *out = copied ? PyDict_Copy(node->template_) : PyDict_New(); /* owned */
    if (!out) return NULL;
    const levada_field *f = node->fields;
    for (uint32_t i = 0; i < node->nfields; i++, f++) {
        const levada_node *fn = &b->nodes[f->node];
        PyObject *v; /* owned */
        if (f->flags & LEVADA_OPTIONAL) {
            uint8_t presence;
            if (!take8(&b->in, &presence) || presence > LEVADA_ABSENT) {
                truncated();
                return fail_key(b, out, f->key, NULL);
            }
            if (presence == LEVADA_ABSENT) {
                if (copied && PyDict_DelItem(out, f->key) < 0) return fail_key(b, out, f->key, NULL);
                continue;
            }
            /* the one presence byte serves null, too */
            if (presence == LEVADA_PRESENT) {
                v = bare(b, fn, depth);
            } else {
                v = fn->flags & LEVADA_NULLABLE ? ref(Py_None) : truncated();
            }
        } else {
            v = value(b, fn, depth);
        }
        if (!v) return fail_key(b, out, f->key, NULL);
        int rc = PyDict_SetItem(out, f->key, v);
        Py_DecRef(v);
        if (rc < 0) return fail_key(b, out, f->key, NULL);
    }
    if (node->flags & LEVADA_EXTRA) return entries(b, out, NULL, depth);
    return out;
}

static PyObject *tuple(builder *b, const levada_node *node, int depth) {
    PyObject *out = PyTuple_New(node->nelems); /* owned */
    if (!out) return NULL;
    for (uint32_t i = 0; i < node->nelems; i++) {
        PyObject *v = value(b, &b->nodes[node->elems[i]], depth);
        if (!v) return fail_index(b, out, i);
        if (PyTuple_SetItem(out, i, v) < 0) { /* takes over v, in any case */
            Py_DecRef(out);
            return NULL;
        }
    }
    return out;
}

static PyObject *deep(void) {
    char text[64];
    snprintf(text, sizeof text, "nested deeper than %d", LEVADA_MAX_DEPTH);
    PyErr_SetString(PyExc_ValueError, text);
    return NULL;
}

static PyObject *number(builder *b, uint8_t kind) {
    uint64_t v;
    if (!take64(&b->in, &v)) return truncated();
    /* Every width travels as 64 bits. */
    bool fits = true;
    switch (kind) {
    case LEVADA_INT8:
        fits = (int64_t)v == (int8_t)v;
        break;
    case LEVADA_INT16:
        fits = (int64_t)v == (int16_t)v;
        break;
    case LEVADA_INT32:
        fits = (int64_t)v == (int32_t)v;
        break;
    case LEVADA_UINT8:
    case LEVADA_UINT16:
    case LEVADA_UINT32:
        fits = v <= (kind == LEVADA_UINT8 ? UINT8_MAX : kind == LEVADA_UINT16 ? UINT16_MAX : UINT32_MAX);
        break;
    case LEVADA_UINT64:
        return PyLong_FromUnsignedLongLong(v);
    case LEVADA_FLOAT32:
    case LEVADA_FLOAT64: {
        double d;
        memcpy(&d, &v, 8);
        return PyFloat_FromDouble(d);
    }
    case LEVADA_TIME:
        return levada_datetime(b->c, (int64_t)v);
    case LEVADA_DURATION:
        return levada_timedelta(b->c, (int64_t)v);
    }
    return fits ? PyLong_FromLongLong((int64_t)v) : truncated();
}

static PyObject *value(builder *b, const levada_node *node, int depth) {
    if (node->flags & LEVADA_NULLABLE) {
        uint8_t presence;
        if (!take8(&b->in, &presence) || presence > LEVADA_PRESENT) return truncated();
        if (presence == LEVADA_NULL) return ref(Py_None);
    }
    return bare(b, node, depth);
}

static PyObject *bare(builder *b, const levada_node *node, int depth) {
    uint8_t at;
again:
    switch (node->kind) {
    case LEVADA_BOOL: {
        uint8_t v;
        if (!take8(&b->in, &v) || v > 1) return truncated();
        return ref(v ? Py_True : Py_False);
    }
    case LEVADA_STRING:
        return string(b);
    case LEVADA_BYTES:
        return bytes(b);
    case LEVADA_ANY:
        return any(b, depth);
    case LEVADA_CONST: {
        const uint8_t *p = take(&b->in, node->nfixed);
        return p && memcmp(p, node->fixed, node->nfixed) == 0 ? ref(node->constant) : truncated();
    }
    case LEVADA_UNION:
        if (!take8(&b->in, &at) || at >= node->nelems) return truncated();
        node = &b->nodes[node->elems[at]];
        goto again; /* and not a call: the stack need not hold twice as much */
    case LEVADA_LIST:
    case LEVADA_MAP:
    case LEVADA_STRUCT:
    case LEVADA_TUPLE:
        if (depth >= LEVADA_MAX_DEPTH) return deep();
        if (node->kind == LEVADA_TUPLE) return tuple(b, node, depth + 1);
        if (node->kind == LEVADA_STRUCT) return structure(b, node, depth + 1);
        if (node->kind == LEVADA_LIST) return list(b, &b->nodes[node->elem], depth + 1);
        return entries(b, PyDict_New(), &b->nodes[node->elem], depth + 1);
    }
    return number(b, node->kind);
}

static PyObject *any(builder *b, int depth) {
    uint8_t tag;
    if (!take8(&b->in, &tag)) return truncated();
    switch (tag) {
    case LEVADA_TAG_NULL:
        return ref(Py_None);
    case LEVADA_TAG_FALSE:
        return ref(Py_False);
    case LEVADA_TAG_TRUE:
        return ref(Py_True);
    case LEVADA_TAG_INT:
        return number(b, LEVADA_INT64);
    case LEVADA_TAG_UINT:
        return number(b, LEVADA_UINT64);
    case LEVADA_TAG_FLOAT:
        return number(b, LEVADA_FLOAT64);
    case LEVADA_TAG_TIME:
        return number(b, LEVADA_TIME);
    case LEVADA_TAG_DURATION:
        return number(b, LEVADA_DURATION);
    case LEVADA_TAG_STRING:
        return string(b);
    case LEVADA_TAG_BYTES:
        return bytes(b);
    case LEVADA_TAG_LIST:
        return depth >= LEVADA_MAX_DEPTH ? deep() : list(b, NULL, depth + 1);
    case LEVADA_TAG_MAP:
        return depth >= LEVADA_MAX_DEPTH ? deep() : entries(b, PyDict_New(), NULL, depth + 1);
    }
    return truncated();
}

/* Says where in the value an exception of the build happened. */
static void locate(builder *b) {
    char text[480];
    PyObject *type, *val, *tb; /* owned */
    PyErr_Fetch(&type, &val, &tb);
    PyErr_NormalizeException(&type, &val, &tb);
    if (type && PyErr_GivenExceptionMatches(type, PyExc_MemoryError)) {
        PyErr_Restore(type, val, tb);
        return;
    }
    PyObject *s = val ? PyObject_Str(val) : NULL; /* owned */
    const char *what = s ? PyUnicode_AsUTF8AndSize(s, NULL) : NULL;
    PyErr_Clear();
    snprintf(text, sizeof text, "payload: %.240s - at `$%s`", what ? what : "?", b->where);
    Py_DecRef(s);
    Py_DecRef(type);
    Py_DecRef(val);
    Py_DecRef(tb);
    PyErr_SetString(PyExc_ValueError, text);
}

PyObject *levada_build(levada_codec *c, const levada_layout *l, const uint8_t *p, size_t n) {
    builder b;
    b.in = (levada_in){p, n, 0};
    b.c = c;
    b.nodes = l->nodes;
    b.where[0] = 0;
    PyObject *v = value(&b, &l->nodes[0], 0); /* owned */
    if (v && b.in.off != b.in.n) {
        Py_DecRef(v);
        v = truncated();
    }
    if (!v) locate(&b);
    return v;
}
