#include "codec.h"

#include <stdlib.h>
#include <string.h>

/* A layout comes from our own Go code; the limits keep a broken one from taking the
 * memory of the process. */
enum { MAX_NODES = 1 << 16 };

static int corrupt(void) {
    PyErr_SetString(PyExc_ValueError, "BUG: layout: not the form of abi/frame.md");
    return -1;
}

static int read_fields(levada_in *in, levada_layout *l, levada_node *node) {
    uint32_t len, n;
    const uint8_t *name = take_bytes(in, &len);
    if (!name) return corrupt();
    if (!(node->name = malloc((size_t)len + 1))) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(node->name, name, len);
    node->name[len] = 0;
    if (!take32(in, &n) || n > in->n - in->off) return corrupt();
    if (!(node->fields = calloc(n ? n : 1, sizeof *node->fields))) {
        PyErr_NoMemory();
        return -1;
    }
    if (!(node->template_ = PyDict_New())) return -1;
    for (uint32_t i = 0; i < n; i++) {
        levada_field *f = &node->fields[i];
        const uint8_t *key = take_bytes(in, &len);
        if (!key || !take32(in, &f->node) || !take8(in, &f->flags) || f->node >= l->n) return corrupt();
        if (!(f->key = PyUnicode_FromStringAndSize((const char *)key, len))) return -1;
        PyUnicode_InternInPlace(&f->key);
        node->nfields = i + 1;
        if (PyDict_SetItem(node->template_, f->key, Py_None) < 0) return -1;
    }
    /* A key twice would make the template smaller than the list of fields. */
    return PyDict_Size(node->template_) == (Py_ssize_t)n ? 0 : corrupt();
}

static int read_elems(levada_in *in, levada_layout *l, levada_node *node) {
    uint32_t n;
    if (!take32(in, &n) || n == 0 || n > (in->n - in->off) / 4) return corrupt();
    if (!(node->elems = calloc(n, sizeof *node->elems))) {
        PyErr_NoMemory();
        return -1;
    }
    node->nelems = n;
    for (uint32_t i = 0; i < n; i++) {
        if (!take32(in, &node->elems[i]) || node->elems[i] >= l->n) return corrupt();
    }
    return 0;
}

static int read_constant(levada_in *in, levada_node *node) {
    uint64_t from, v;
    uint32_t len;
    const uint8_t *p;
    uint8_t b;
    if (!take8(in, &node->base)) return corrupt();
    from = in->off;
    if (node->base == LEVADA_STRING) {
        if (!(p = take_bytes(in, &len))) return corrupt();
        node->constant = PyUnicode_FromStringAndSize((const char *)p, len);
        if (node->constant) PyUnicode_InternInPlace(&node->constant);
    } else if (node->base == LEVADA_BOOL) {
        if (!take8(in, &b) || b > 1) return corrupt();
        node->constant = ref(b ? Py_True : Py_False);
    } else if (node->base >= LEVADA_INT8 && node->base <= LEVADA_UINT64) {
        if (!take64(in, &v)) return corrupt();
        node->constant = node->base >= LEVADA_UINT8 ? PyLong_FromUnsignedLongLong(v) : PyLong_FromLongLong((int64_t)v);
    } else {
        return corrupt();
    }
    if (!node->constant) return -1;
    node->nfixed = (uint32_t)(in->off - from);
    if (!(node->fixed = malloc(node->nfixed))) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(node->fixed, in->p + from, node->nfixed);
    return 0;
}

/* Whether a value of Python tells which variant it is: by its type, and structs by what is
 * in them. */
static bool can_be_told(const levada_layout *l, const levada_node *node) {
    uint32_t seen = 0; /* bits of kinds, where what Python has one type for has one kind */
    for (uint32_t i = 0; i < node->nelems; i++) {
        const levada_node *v = &l->nodes[node->elems[i]];
        uint8_t kind = v->kind;
        if (v->flags & LEVADA_NULLABLE || kind == LEVADA_ANY || kind == LEVADA_UNION || kind == LEVADA_CONST) return false;
        if (kind >= LEVADA_INT8 && kind <= LEVADA_FLOAT64) kind = LEVADA_INT64;
        if (kind == LEVADA_TUPLE) kind = LEVADA_LIST;
        if (kind == LEVADA_MAP && seen & 1u << LEVADA_STRUCT) return false;
        if (kind == LEVADA_STRUCT && seen & 1u << LEVADA_MAP) return false;
        if (kind != LEVADA_STRUCT && seen & 1u << kind) return false;
        seen |= 1u << kind;
    }
    return true;
}

static int read_nodes(levada_in *in, levada_layout *l) {
    for (uint32_t i = 0; i < l->n; i++) {
        levada_node *node = &l->nodes[i];
        if (!take8(in, &node->kind) || !take8(in, &node->flags) || node->kind > LEVADA_CONST) return corrupt();
        switch (node->kind) {
        case LEVADA_LIST:
        case LEVADA_MAP:
            if (!take32(in, &node->elem) || node->elem >= l->n) return corrupt();
            break;
        case LEVADA_TUPLE:
            if (read_elems(in, l, node) < 0) return -1;
            break;
        case LEVADA_UNION:
            if (read_elems(in, l, node) < 0) return -1;
            if (node->nelems < 2 || node->nelems > 255) return corrupt();
            break;
        case LEVADA_CONST:
            if (read_constant(in, node) < 0) return -1;
            break;
        case LEVADA_STRUCT:
            if (read_fields(in, l, node) < 0) return -1;
            break;
        }
    }
    for (uint32_t i = 0; i < l->n; i++) {
        if (l->nodes[i].kind == LEVADA_UNION && !can_be_told(l, &l->nodes[i])) return corrupt();
    }
    return in->off == in->n ? 0 : corrupt();
}

/* Smallest size of a node without its presence byte; what bounds the counts that a
 * frame may claim. open marks the nodes on the way, so that a struct that holds itself
 * ends the walk. */
static uint32_t measure(levada_layout *l, uint32_t at, uint8_t *open) {
    levada_node *node = &l->nodes[at];
    if (node->flags & LEVADA_NULLABLE) return 1;
    if (node->min) return node->min;
    uint64_t size = 8;
    switch (node->kind) {
    case LEVADA_BOOL:
    case LEVADA_ANY:
    case LEVADA_UNION: /* a variant may lead back to its union */
        size = 1;
        break;
    case LEVADA_STRING:
    case LEVADA_BYTES:
    case LEVADA_LIST:
    case LEVADA_MAP:
        size = 4;
        break;
    case LEVADA_CONST:
        size = node->nfixed;
        break;
    case LEVADA_TUPLE:
        if (open[at]) return 1;
        open[at] = 1;
        size = 0;
        for (uint32_t i = 0; i < node->nelems && size < 1 << 20; i++) size += measure(l, node->elems[i], open);
        open[at] = 0;
        break;
    case LEVADA_STRUCT:
        if (open[at]) return 1;
        open[at] = 1;
        size = node->flags & LEVADA_EXTRA ? 4 : 0;
        for (uint32_t i = 0; i < node->nfields && size < 1 << 20; i++) {
            levada_field *f = &node->fields[i];
            size += f->flags & LEVADA_OPTIONAL ? 1 : measure(l, f->node, open);
        }
        open[at] = 0;
        break;
    }
    node->min = (uint32_t)size;
    return node->min;
}

levada_layout *levada_layout_read(const uint8_t *p, size_t n) {
    levada_in in = {p, n, 0};
    uint32_t count;
    if (!take32(&in, &count) || count == 0 || count > MAX_NODES || count > n / 2) {
        corrupt();
        return NULL;
    }
    levada_layout *l = calloc(1, sizeof *l);
    uint8_t *open = calloc(count, 1);
    if (l) l->nodes = calloc(count, sizeof *l->nodes);
    if (!l || !l->nodes || !open) {
        PyErr_NoMemory();
        goto failed;
    }
    l->n = count;
    if (read_nodes(&in, l) < 0) goto failed;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t least = measure(l, i, open);
        l->nodes[i].min = least;
    }
    free(open);
    return l;
failed:
    free(open);
    levada_layout_free(l);
    return NULL;
}

int levada_layout_traverse(levada_layout *l, visitproc visit, void *arg) {
    for (uint32_t i = 0; i < l->n; i++) {
        PyObject *t = l->nodes[i].template_;
        int rc = t ? visit(t, arg) : 0;
        if (rc) return rc;
    }
    return 0;
}

void levada_layout_free(levada_layout *l) {
    if (!l) return;
    for (uint32_t i = 0; l->nodes && i < l->n; i++) {
        levada_node *node = &l->nodes[i];
        for (uint32_t k = 0; k < node->nfields; k++) Py_DecRef(node->fields[k].key);
        free(node->fields);
        free(node->elems);
        free(node->name);
        free(node->fixed);
        Py_DecRef(node->constant); /* in no cycle */
        Py_DecRef(node->template_);
    }
    free(l->nodes);
    free(l);
}
