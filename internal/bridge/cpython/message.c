#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native.h"
#include "process.h"

static const char *const slot_names[M_SLOTS] = {"payload", "key", "headers", "timestamp", "topic", "partition", "offset"};

bool levada_is_message(levada_state *st, PyObject *v) { return typeof_(v) == st->message_type; }

void levada_find_public(levada_state *st) {
    if (st->public_message) return;
    /* Where nobody has imported levada, no message is of its class. */
    PyObject *modules = PySys_GetObject("modules"); /* borrowed from sys */
    PyObject *module = modules && flags_(modules) & Py_TPFLAGS_DICT_SUBCLASS ? PyDict_GetItemWithError(modules, st->package) : NULL;
    Py_IncRef(module); /* owned from here on: the next call may run code */
    if (module) st->public_message = PyObject_GetAttrString(module, "Message");
    Py_DecRef(module);
    descrgetfunc get[2] = {0};
    for (int i = 0; st->public_message && i < 2; i++) {
        st->members[i] = PyObject_GetAttr(st->public_message, st->slots[i]);
        if (st->members[i]) get[i] = (descrgetfunc)PyType_GetSlot(typeof_(st->members[i]), Py_tp_descr_get);
    }
    if (get[0] == get[1]) st->member_get = get[0];
    PyErr_Clear();
}

/* What a message of that very class stores, a new reference; without the way through its
 * class that every look-up of an attribute goes. */
static PyObject *member(levada_state *st, PyObject *msg, int i) {
    if (st->member_get) return st->member_get(st->members[i], msg, st->public_message);
    return PyObject_GetAttr(msg, st->slots[i]);
}

PyObject *levada_unsaid(levada_state *st, int slot) {
    if (slot == M_HEADERS) return PyList_New(0);
    if (slot == M_TOPIC) return ref(st->empty);
    return slot > M_TOPIC ? PyLong_FromLongLong(0) : ref(Py_None);
}

/* What levada.Message keeps of an attribute, a new reference. NULL: another class, or
 * another form; an exception may be set. */
static PyObject *stored(levada_state *st, PyObject *msg, int slot) {
    if ((PyObject *)typeof_(msg) != st->public_message) return NULL;
    if (slot == M_PAYLOAD) return member(st, msg, 0);
    PyObject *meta = member(st, msg, 1); /* owned */
    PyObject *v = meta == Py_None ? levada_unsaid(st, slot) : NULL;
    if (meta && !v && flags_(meta) & Py_TPFLAGS_TUPLE_SUBCLASS) v = ref(PyTuple_GetItem(meta, slot - M_KEY));
    Py_DecRef(meta);
    return v;
}

PyObject *levada_attribute(levada_state *st, PyObject *msg, int slot) {
    if (levada_is_message(st, msg)) return levada_message_get((levada_message *)msg, slot);
    PyObject *v = stored(st, msg, slot); /* owned */
    if (v) return v;
    PyErr_Clear();
    return PyObject_GetAttr(msg, st->names[slot]);
}

PyObject *levada_only_payload(levada_state *st, PyObject *msg) {
    if ((PyObject *)typeof_(msg) != st->public_message) return NULL;
    PyObject *meta = member(st, msg, 1); /* owned */
    PyObject *payload = meta == Py_None ? member(st, msg, 0) : NULL;
    if (!payload) PyErr_Clear();
    Py_DecRef(meta);
    return payload;
}

levada_message *levada_message_new(levada_cross *cx, uint32_t i) {
    levada_state *st = cx->state;
    levada_message *m = (levada_message *)PyType_GenericAlloc(st->message_type, 0); /* zero filled */
    if (!m) return NULL;
    m->cx = cx;
    m->state = st;
    m->layout = cx->layout;
    m->index = i;
    if (cx->source == LEVADA_OBJECTS && !cx->at && !(cx->objects[i] & LEVADA_WORD)) {
        m->slot[M_PAYLOAD] = ref((PyObject *)cx->objects[i]);
    }
    return m;
}

/* --- bytes of a message ------------------------------------------------------------ */

static int keep(levada_message *m, int column) {
    const uint8_t *p;
    size_t n;
    if (m->own[column].p) return 0;
    if (levada_cross_bytes(m->cx, column, m->index, &p, &n) < 0) return -1;
    uint8_t *copy = malloc(n ? n : 1);
    if (!copy) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(copy, p, n);
    m->own[column].p = copy;
    m->own[column].n = n;
    return 0;
}

/* The bytes that a slot is made from, which stay in place while the caller uses them.
 * The crossing's own thread reads the frame itself. Any other thread gets a copy: the
 * crossing may end, and the frame with it, while that thread is still building. */
static int bytes_of(levada_message *m, int column, const uint8_t **p, size_t *n) {
    if (!m->own[column].p) {
        if (!m->cx) {
            PyErr_SetString(PyExc_RuntimeError, "BUG: message without its bytes");
            return -1;
        }
        if (m->cx->thread == levada_thread()) return levada_cross_bytes(m->cx, column, m->index, p, n);
        if (keep(m, column) < 0) return -1;
    }
    *p = m->own[column].p;
    *n = m->own[column].n;
    return 0;
}

/* Makes the message independent of its crossing. */
static void detach(levada_message *m) {
    PyObject *type, *val, *tb; /* owned; set where the step failed */
    PyErr_Fetch(&type, &val, &tb);
    if (!m->slot[M_PAYLOAD]) {
        int rc;
        if (m->cx->source == LEVADA_OBJECTS) {
            PyObject *v = levada_message_get(m, M_PAYLOAD); /* owned; the slot has one, too */
            rc = v ? 0 : -1;
            Py_DecRef(v);
        } else {
            rc = keep(m, 0);
        }
        if (rc < 0) PyErr_WriteUnraisable((PyObject *)m); /* whoever asks for the payload is told */
    }
    for (int i = M_KEY; i < M_SLOTS; i++) {
        if (m->slot[i]) continue;
        if (keep(m, 1) < 0) PyErr_WriteUnraisable((PyObject *)m);
        break;
    }
    m->cx = NULL;
    PyErr_Restore(type, val, tb);
}

void levada_message_drop(levada_message *m) {
    bool gone = false;
    if (!m->cx) {
        Py_DecRef((PyObject *)m);
        return;
    }
    m->gone = &gone;
    Py_DecRef((PyObject *)m);
    if (gone) return;
    /* A step has kept it. It can not die before this function returns: nothing here
     * gives the GIL away before the copy is made, and detach owns a reference. */
    Py_IncRef((PyObject *)m);
    m->gone = NULL;
    detach(m);
    Py_DecRef((PyObject *)m);
}

/* --- attributes ------------------------------------------------------------------------ */

static PyObject *header(levada_state *st, levada_in *in) {
    uint32_t n;
    uint8_t presence;
    PyObject *pair = PyTuple_New(2), *value; /* owned */
    if (!pair) return NULL;
    const uint8_t *p = take_bytes(in, &n);
    if (!p || !take8(in, &presence)) goto corrupt;
    /* Header names are bytes to Kafka: what is no UTF-8 survives as surrogates. */
    PyObject *name = levada_str(&st->codec, p, n);
    if (!name) {
        PyErr_Clear();
        name = PyUnicode_DecodeUTF8((const char *)p, n, "surrogateescape");
    }
    if (!name || PyTuple_SetItem(pair, 0, name) < 0) goto failed; /* takes over name */
    if (presence == LEVADA_PRESENT) {
        if (!(p = take_bytes(in, &n))) goto corrupt;
        value = PyBytes_FromStringAndSize((const char *)p, n);
    } else {
        value = ref(Py_None);
    }
    if (!value || PyTuple_SetItem(pair, 1, value) < 0) goto failed; /* takes over value */
    return pair;
corrupt:
    PyErr_SetString(PyExc_RuntimeError, "BUG: metadata: not the form of abi/frame.md");
failed:
    Py_DecRef(pair);
    return NULL;
}

PyObject *levada_get_meta(levada_state *st, const uint8_t *p, size_t n, int slot) {
    levada_in in = {p, n, 0};
    uint8_t presence;
    uint32_t len, count;
    uint64_t v;
    const uint8_t *b;
    if (!take8(&in, &presence)) goto corrupt;
    if (presence == LEVADA_PRESENT) {
        if (!(b = take_bytes(&in, &len))) goto corrupt;
        if (slot == M_KEY) return PyBytes_FromStringAndSize((const char *)b, len);
    } else if (slot == M_KEY) {
        return ref(Py_None);
    }
    if (!take32(&in, &count)) goto corrupt;
    if (slot == M_HEADERS) {
        PyObject *list = PyList_New(0); /* owned */
        for (uint32_t i = 0; list && i < count; i++) {
            PyObject *pair = header(st, &in); /* owned */
            if (!pair || PyList_Append(list, pair) < 0) {
                Py_DecRef(pair);
                Py_DecRef(list);
                return NULL;
            }
            Py_DecRef(pair);
        }
        return list;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!take_bytes(&in, &len) || !take8(&in, &presence)) goto corrupt;
        if (presence == LEVADA_PRESENT && !take_bytes(&in, &len)) goto corrupt;
    }
    if (!take8(&in, &presence)) goto corrupt;
    if (presence == LEVADA_PRESENT && !take64(&in, &v)) goto corrupt;
    if (slot == M_TIMESTAMP) {
        return presence == LEVADA_PRESENT ? PyFloat_FromDouble((double)(int64_t)v / 1e6) : ref(Py_None);
    }
    if (!(b = take_bytes(&in, &len))) goto corrupt;
    if (slot == M_TOPIC) return levada_str(&st->codec, b, len);
    if (!take64(&in, &v)) goto corrupt;
    if (slot == M_OFFSET && !take64(&in, &v)) goto corrupt;
    return PyLong_FromLongLong((int64_t)v);
corrupt:
    PyErr_SetString(PyExc_RuntimeError, "BUG: metadata: not the form of abi/frame.md");
    return NULL;
}

PyObject *levada_message_get(levada_message *m, int slot) {
    if (m->slot[slot]) return ref(m->slot[slot]);
    levada_cross *cx = m->cx;
    const uint8_t *p;
    size_t n;
    PyObject *v; /* owned */
    if (cx) cx->conversions++;
    if (slot == M_PAYLOAD && cx && cx->source == LEVADA_OBJECTS) {
        v = levada_cross_object(cx, m->index);
    } else {
        if (bytes_of(m, slot == M_PAYLOAD ? 0 : 1, &p, &n) < 0) return NULL;
        v = slot == M_PAYLOAD ? levada_build(&m->state->codec, m->layout, p, n) : levada_get_meta(m->state, p, n, slot);
    }
    if (!v) return NULL;
    if (m->slot[slot]) { /* the conversion ran code that asked for the same */
        Py_DecRef(v);
    } else {
        m->slot[slot] = v; /* takes over */
    }
    return ref(m->slot[slot]);
}

static PyObject *get(PyObject *self, void *slot) { return levada_message_get((levada_message *)self, (int)(intptr_t)slot); }

/* --- metadata on its way to Go ------------------------------------------------------------ */

static int wrong(levada_fault *f, const char *expected, PyObject *v, const char *path) {
    char got[128];
    levada_type_name(v, got, sizeof got);
    snprintf(f->what, sizeof f->what, "expected %s, got `%s`", expected, got);
    snprintf(f->path, sizeof f->path, "%s", path);
    f->type = PyExc_TypeError;
    return -1;
}

static int no_memory(void) {
    PyErr_NoMemory();
    return -1;
}

/* None or bytes, with a presence byte. */
static int put_bytes(levada_buf *out, PyObject *v, levada_fault *f, const char *path) {
    char *p;
    Py_ssize_t n;
    if (buf_need(out, 1) < 0) return no_memory();
    if (v == Py_None) {
        put8(out, LEVADA_NULL);
        return 0;
    }
    if (!(flags_(v) & Py_TPFLAGS_BYTES_SUBCLASS)) return wrong(f, "`bytes` or `None`", v, path);
    put8(out, LEVADA_PRESENT);
    if (PyBytes_AsStringAndSize(v, &p, &n) < 0) return -1;
    return levada_put_bytes(out, p, (size_t)n) < 0 ? no_memory() : 0;
}

static int put_name(levada_buf *out, PyObject *v, levada_fault *f, const char *path) {
    Py_ssize_t n;
    if (!(flags_(v) & Py_TPFLAGS_UNICODE_SUBCLASS)) return wrong(f, "`str`", v, path);
    const char *s = PyUnicode_AsUTF8AndSize(v, &n);
    if (s) return levada_put_bytes(out, s, (size_t)n) < 0 ? no_memory() : 0;
    PyErr_Clear();
    PyObject *b = PyUnicode_AsEncodedString(v, "utf-8", "surrogateescape"); /* owned */
    char *p;
    if (!b || PyBytes_AsStringAndSize(b, &p, &n) < 0) {
        Py_DecRef(b);
        PyErr_Clear();
        return wrong(f, "`str` of whole characters", v, path);
    }
    int rc = levada_put_bytes(out, p, (size_t)n) < 0 ? no_memory() : 0;
    Py_DecRef(b);
    return rc;
}

static bool is_empty(PyObject *v) {
    unsigned long flags = flags_(v);
    return (flags & Py_TPFLAGS_LIST_SUBCLASS && PyList_Size(v) == 0) || (flags & Py_TPFLAGS_TUPLE_SUBCLASS && PyTuple_Size(v) == 0);
}

static int put_headers(levada_buf *out, PyObject *headers, levada_fault *f) {
    char path[48];
    unsigned long flags = flags_(headers);
    if (!(flags & (Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_TUPLE_SUBCLASS))) {
        return wrong(f, "a list of (`str`, `bytes` or `None`)", headers, ".headers");
    }
    if (buf_need(out, 4) < 0) return no_memory();
    if (is_empty(headers)) {
        put32(out, 0);
        return 0;
    }
    PyObject *list = PySequence_List(headers); /* owned: nothing can change it meanwhile */
    if (!list) return -1;
    Py_ssize_t n = PyList_Size(list);
    int rc = -1;
    put32(out, (uint32_t)n);
    for (Py_ssize_t i = 0; i < n; i++) {
        PyObject *pair = PyList_GetItem(list, i); /* borrowed from our own list */
        snprintf(path, sizeof path, ".headers[%zd]", i);
        if (!(flags_(pair) & Py_TPFLAGS_TUPLE_SUBCLASS) || PyTuple_Size(pair) != 2) {
            wrong(f, "a (`str`, `bytes` or `None`)", pair, path);
            goto done;
        }
        /* borrowed from the tuple, which the list keeps */
        if (put_name(out, PyTuple_GetItem(pair, 0), f, path) < 0 || put_bytes(out, PyTuple_GetItem(pair, 1), f, path) < 0) goto done;
    }
    rc = 0;
done:
    Py_DecRef(list);
    return rc;
}

int levada_put_meta(levada_buf *out, PyObject *key, PyObject *headers, levada_fault *f) {
    f->what[0] = f->path[0] = 0;
    if (put_bytes(out, key, f, ".key") < 0 || put_headers(out, headers, f) < 0) return -1;
    if (buf_need(out, 1 + 4 + 8 + 8) < 0) return no_memory();
    put8(out, LEVADA_NULL); /* timestamp, topic, partition and offset are not settable */
    put32(out, 0);
    put64(out, 0);
    put64(out, 0);
    return 0;
}

static bool is_zero(PyObject *v) {
    int over;
    if (!(flags_(v) & Py_TPFLAGS_LONG_SUBCLASS)) return false;
    return PyLong_AsLongLongAndOverflow(v, &over) == 0 && !over;
}

bool levada_plain_meta(PyObject *const *a) {
    Py_ssize_t n;
    return a[M_KEY] == Py_None && a[M_TIMESTAMP] == Py_None && is_empty(a[M_HEADERS]) && is_zero(a[M_PARTITION]) &&
           is_zero(a[M_OFFSET]) && flags_(a[M_TOPIC]) & Py_TPFLAGS_UNICODE_SUBCLASS && PyUnicode_AsUTF8AndSize(a[M_TOPIC], &n) && n == 0;
}

int levada_put_no_meta(levada_buf *out) {
    static const uint8_t nothing[1 + 4 + 1 + 4 + 8 + 8];
    if (buf_need(out, sizeof nothing) < 0) return -1;
    memcpy(out->p + out->len, nothing, sizeof nothing);
    out->len += sizeof nothing;
    return 0;
}

static int put_int(levada_buf *out, PyObject *v, levada_fault *f, const char *path) {
    if (!(flags_(v) & Py_TPFLAGS_LONG_SUBCLASS) || typeof_(v) == &PyBool_Type) return wrong(f, "`int`", v, path);
    int over;
    int64_t i = PyLong_AsLongLongAndOverflow(v, &over);
    if (over) return wrong(f, "`int` of 64 bits", v, path);
    put64(out, (uint64_t)i);
    return 0;
}

static int put_timestamp(levada_buf *out, PyObject *t, levada_fault *f) {
    double s;
    if (buf_need(out, 9) < 0) return no_memory();
    if (t == Py_None) {
        put8(out, LEVADA_NULL);
        return 0;
    }
    if (typeof_(t) == &PyFloat_Type || PyType_IsSubtype(typeof_(t), &PyFloat_Type)) {
        s = PyFloat_AsDouble(t);
    } else if (flags_(t) & Py_TPFLAGS_LONG_SUBCLASS && typeof_(t) != &PyBool_Type) {
        s = PyLong_AsDouble(t);
        if (s == -1 && PyErr_Occurred()) PyErr_Clear(), s = INFINITY; /* refused below */
    } else {
        return wrong(f, "`float` or `None`", t, ".timestamp");
    }
    if (!(fabs(s) < 9e12)) return wrong(f, "`float` seconds of some year", t, ".timestamp");
    put8(out, LEVADA_PRESENT);
    put64(out, (uint64_t)(int64_t)(s * 1e6 + (s < 0 ? -0.5 : 0.5))); /* no libm: llround would need it */
    return 0;
}

int levada_put_all_meta(levada_buf *out, PyObject **a, levada_fault *f) {
    f->what[0] = f->path[0] = 0;
    if (put_bytes(out, a[M_KEY], f, ".key") < 0 || put_headers(out, a[M_HEADERS], f) < 0) return -1;
    if (put_timestamp(out, a[M_TIMESTAMP], f) < 0 || put_name(out, a[M_TOPIC], f, ".topic") < 0) return -1;
    if (buf_need(out, 16) < 0) return no_memory();
    if (put_int(out, a[M_PARTITION], f, ".partition") < 0) return -1;
    return put_int(out, a[M_OFFSET], f, ".offset");
}

/* --- the type ---------------------------------------------------------------------------------- */

static int traverse(PyObject *self, visitproc visit, void *arg) {
    levada_message *m = (levada_message *)self;
    int rc = visit((PyObject *)typeof_(self), arg);
    for (int i = 0; rc == 0 && i < M_SLOTS; i++) rc = m->slot[i] ? visit(m->slot[i], arg) : 0;
    return rc;
}

static int clear(PyObject *self) {
    levada_message *m = (levada_message *)self;
    for (int i = 0; i < M_SLOTS; i++) {
        PyObject *old = m->slot[i]; /* takes over the slot's reference */
        m->slot[i] = NULL;
        Py_DecRef(old);
    }
    return 0;
}

static void dealloc(PyObject *self) {
    levada_message *m = (levada_message *)self;
    PyTypeObject *type = typeof_(self);
    PyObject_GC_UnTrack(self);
    if (m->gone) *m->gone = true;
    m->cx = NULL;
    clear(self);
    free(m->own[0].p);
    free(m->own[1].p);
    PyObject_GC_Del(self);
    Py_DecRef((PyObject *)type); /* an instance of a heap type owns one */
}

/* The name of a keyword, as a slot; -1: none. */
static int slot_of(PyObject *name) {
    for (int i = 0; i < M_SLOTS; i++) {
        if (PyUnicode_CompareWithASCIIString(name, slot_names[i]) == 0) return i;
    }
    return -1;
}

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    levada_state *st = PyType_GetModuleState(type);
    PyObject *given[M_SLOTS] = {0}; /* borrowed from args and kwargs, which the caller owns */
    PyObject *name, *v;
    char text[160];
    Py_ssize_t n = PyTuple_Size(args), pos = 0;
    if (!st) return NULL;
    if (n > M_SLOTS) {
        PyErr_SetString(PyExc_TypeError, "Message takes at most 7 arguments: payload, key, headers, timestamp, topic, partition, offset");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) given[i] = PyTuple_GetItem(args, i);
    while (kwargs && PyDict_Next(kwargs, &pos, &name, &v)) {
        int i = slot_of(name);
        if (i < 0 || given[i]) {
            const char *s = PyUnicode_AsUTF8AndSize(name, NULL);
            PyErr_Clear();
            snprintf(text, sizeof text, i < 0 ? "Message has no argument %.100s" : "Message got %.100s twice", s ? s : "?");
            PyErr_SetString(PyExc_TypeError, text);
            return NULL;
        }
        given[i] = v;
    }
    if (!given[M_PAYLOAD]) {
        PyErr_SetString(PyExc_TypeError, "Message needs a payload");
        return NULL;
    }
    levada_message *m = (levada_message *)PyType_GenericAlloc(type, 0); /* owned */
    if (!m) return NULL;
    m->state = st;
    for (int i = 0; i < M_SLOTS; i++) {
        if (given[i] && i != M_HEADERS) {
            m->slot[i] = ref(given[i]);
            continue;
        }
        switch (i) {
        case M_HEADERS:
            m->slot[i] = given[i] ? PySequence_List(given[i]) : PyList_New(0);
            break;
        case M_TOPIC:
            m->slot[i] = ref(st->empty);
            break;
        case M_PARTITION:
        case M_OFFSET:
            m->slot[i] = PyLong_FromLongLong(0);
            break;
        default:
            m->slot[i] = ref(Py_None);
        }
        if (!m->slot[i]) {
            Py_DecRef((PyObject *)m);
            return NULL;
        }
    }
    return (PyObject *)m;
}

/* All attributes, some replaced: a tuple for the constructor. with[i] is borrowed and
 * replaces attribute i; NULL: keep. */
static PyObject *attributes(levada_message *m, PyObject *const *with) {
    PyObject *t = PyTuple_New(M_SLOTS); /* owned */
    for (int i = 0; t && i < M_SLOTS; i++) {
        PyObject *v = with && with[i] ? ref(with[i]) : levada_message_get(m, i); /* owned, taken over by SetItem */
        if (!v || PyTuple_SetItem(t, i, v) < 0) {
            Py_DecRef(t);
            return NULL;
        }
    }
    return t;
}

/* The class that messages outside a crossing have; borrowed. */
static PyObject *public_class(levada_message *m) {
    levada_find_public(m->state);
    return m->state->public_message ? m->state->public_message : (PyObject *)m->state->message_type;
}

static PyObject *replaced(levada_message *m, PyObject *const *with) {
    PyObject *t = attributes(m, with); /* owned */
    PyObject *out = t ? PyObject_CallObject(public_class(m), t) : NULL;
    Py_DecRef(t);
    return out;
}

static PyObject *with_payload(PyObject *self, PyObject *v) {
    PyObject *with[M_SLOTS] = {[M_PAYLOAD] = v};
    return replaced((levada_message *)self, with);
}

static PyObject *with_key(PyObject *self, PyObject *v) {
    PyObject *with[M_SLOTS] = {[M_KEY] = v};
    return replaced((levada_message *)self, with);
}

/* Replaces the headers by a list and gives up the reference to it. */
static PyObject *with_headers(levada_message *m, PyObject *list) {
    PyObject *with[M_SLOTS] = {[M_HEADERS] = list};
    PyObject *out = list ? replaced(m, with) : NULL;
    Py_DecRef(list);
    return out;
}

static PyObject *with_header(PyObject *self, PyObject *args) {
    levada_message *m = (levada_message *)self;
    if (PyTuple_Size(args) != 2) {
        PyErr_SetString(PyExc_TypeError, "with_header takes a name and a value");
        return NULL;
    }
    PyObject *old = levada_message_get(m, M_HEADERS);       /* owned */
    PyObject *list = old ? PySequence_List(old) : NULL;     /* owned */
    Py_DecRef(old);
    if (list && PyList_Append(list, args) < 0) { /* args is a tuple of the two */
        Py_DecRef(list);
        return NULL;
    }
    return with_headers(m, list);
}

static PyObject *without_header(PyObject *self, PyObject *name) {
    levada_message *m = (levada_message *)self;
    const char *unwanted = PyUnicode_AsUTF8AndSize(name, NULL);
    if (!unwanted) return NULL;
    PyObject *old = levada_message_get(m, M_HEADERS);  /* owned */
    PyObject *all = old ? PySequence_List(old) : NULL; /* owned */
    PyObject *list = all ? PyList_New(0) : NULL;       /* owned */
    Py_DecRef(old);
    for (Py_ssize_t i = 0; list && i < PyList_Size(all); i++) {
        PyObject *pair = PyList_GetItem(all, i); /* borrowed from our own list */
        PyObject *n = flags_(pair) & Py_TPFLAGS_TUPLE_SUBCLASS ? PyTuple_GetItem(pair, 0) : NULL; /* borrowed */
        const char *s = n && flags_(n) & Py_TPFLAGS_UNICODE_SUBCLASS ? PyUnicode_AsUTF8AndSize(n, NULL) : NULL;
        PyErr_Clear();
        if (s && strcmp(s, unwanted) == 0) continue;
        if (PyList_Append(list, pair) < 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    Py_DecRef(all);
    return with_headers(m, list);
}

static PyObject *reduce(PyObject *self, PyObject *unused) {
    (void)unused;
    levada_message *m = (levada_message *)self;
    PyObject *t = attributes(m, NULL); /* owned */
    PyObject *out = t ? PyTuple_New(2) : NULL;
    if (!out) {
        Py_DecRef(t);
        return NULL;
    }
    if (PyTuple_SetItem(out, 0, ref(public_class(m))) < 0 || PyTuple_SetItem(out, 1, t) < 0) { /* takes over both */
        Py_DecRef(out);
        return NULL;
    }
    return out;
}

static PyObject *repr(PyObject *self) {
    levada_message *m = (levada_message *)self;
    PyObject *parts = PyList_New(0), *t = attributes(m, NULL), *out = NULL, *sep = NULL; /* owned */
    char head[32];
    if (!parts || !t) goto done;
    for (int i = 0; i < M_SLOTS; i++) {
        snprintf(head, sizeof head, "%s%s=", i ? ", " : "Message(", slot_names[i]);
        PyObject *name = PyUnicode_FromString(head), *v = PyObject_Repr(PyTuple_GetItem(t, i)); /* owned */
        int bad = !name || !v || PyList_Append(parts, name) < 0 || PyList_Append(parts, v) < 0;
        Py_DecRef(v);
        Py_DecRef(name);
        if (bad) goto done;
    }
    if (!(sep = PyUnicode_FromString(")")) || PyList_Append(parts, sep) < 0) goto done;
    out = PyUnicode_Join(m->state->empty, parts);
done:
    Py_DecRef(sep);
    Py_DecRef(t);
    Py_DecRef(parts);
    return out;
}

static PyMethodDef methods[] = {
    {"with_payload", with_payload, METH_O, "The message with another payload."},
    {"with_key", with_key, METH_O, "The message with another key; None removes it."},
    {"with_header", with_header, METH_VARARGS, "The message with one header more."},
    {"without_header", without_header, METH_O, "The message without the headers of that name."},
    {"__reduce__", reduce, METH_NOARGS, NULL},
    {0},
};

static PyGetSetDef attributes_of[] = {
    {"payload", get, NULL, "The value that the previous step produced.", (void *)M_PAYLOAD},
    {"key", get, NULL, "The record key; None where there is none.", (void *)M_KEY},
    {"headers", get, NULL, "The record headers: a list of (str, bytes or None).", (void *)M_HEADERS},
    {"timestamp", get, NULL, "Seconds since the epoch; None where there is none.", (void *)M_TIMESTAMP},
    {"topic", get, NULL, "The topic that the record came from.", (void *)M_TOPIC},
    {"partition", get, NULL, "The partition that the record came from.", (void *)M_PARTITION},
    {"offset", get, NULL, "The offset of the record in its partition.", (void *)M_OFFSET},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},         {Py_tp_dealloc, dealloc},        {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},     {Py_tp_getset, attributes_of},   {Py_tp_methods, methods},
    {Py_tp_repr, repr},
    {Py_tp_doc, "A message as a step sees it. Payload and metadata are converted when they are first touched."},
    {0, NULL},
};

PyType_Spec levada_message_spec = {
    .name = "Message",
    .basicsize = sizeof(levada_message),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
