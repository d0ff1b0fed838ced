#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "process.h"

/* A Go function as a Python object, with its settings. */
typedef struct {
    PyObject ob_base;
    levada_state *state; /* lives as long as the type */
    uintptr_t handle;    /* of the Go side */
    levada_layout *in, *out;
    int seq, meta;
    PyObject *name; /* owned */
} function;

levada_layout *levada_add_layout(levada_state *st, const uint8_t *p, size_t n) {
    levada_layout *l = levada_layout_read(p, n);
    if (!l) return NULL;
    l->next = st->layouts;
    st->layouts = l;
    return l;
}

levada_layout *levada_layout_new(levada_state *st, const uint8_t *p, size_t n) {
    if (levada_enter() < 0) return NULL;
    levada_layout *l = levada_add_layout(st, p, n);
    if (!l) PyErr_WriteUnraisable(NULL);
    levada_leave();
    return l;
}

/* --- errors ------------------------------------------------------------------------- */

static PyObject *error_class(levada_state *st) {
    if (st->go_error) return st->go_error;
    PyObject *module = PyImport_ImportModule("levada.errors"); /* owned */
    if (module) st->go_error = PyObject_GetAttrString(module, "GoError");
    PyErr_Clear();
    Py_DecRef(module);
    if (!st->go_error) st->go_error = PyErr_NewException("levada.GoError", PyExc_RuntimeError, NULL);
    return st->go_error;
}

static PyObject *text_of(const char *p, size_t n) {
    return PyUnicode_DecodeUTF8(p ? p : "", p ? (Py_ssize_t)n : 0, "replace");
}

void levada_raise_go(levada_state *st, const char *text, size_t n, int64_t index, const char *note, size_t note_len) {
    PyObject *type = error_class(st); /* borrowed */
    PyObject *s = type ? text_of(text, n) : NULL;                              /* owned */
    PyObject *err = s ? PyObject_CallFunctionObjArgs(type, s, NULL) : NULL; /* owned */
    PyObject *add = NULL, *stack = NULL, *at = NULL, *res = NULL;              /* owned */
    if (!err) goto done;
    if (index >= 0 && (!(at = PyLong_FromLongLong(index)) || PyObject_SetAttrString(err, "index", at) < 0)) goto done;
    if (note) {
        if (!(add = PyObject_GetAttrString(err, "add_note")) || !(stack = text_of(note, note_len))) goto done;
        if (!(res = PyObject_CallFunctionObjArgs(add, stack, NULL))) goto done;
    }
    PyErr_SetObject(type, err);
done:
    Py_DecRef(res);
    Py_DecRef(at);
    Py_DecRef(stack);
    Py_DecRef(add);
    Py_DecRef(err);
    Py_DecRef(s);
}

void levada_raise_fault(const levada_fault *fault, const char *prefix) {
    char text[1200];
    if (!fault->what[0]) return; /* an exception is set */
    size_t n = (size_t)snprintf(text, 400, "%s", prefix);
    if (n > 399) n = 399;
    levada_fault_text(fault, text + n, sizeof text - n);
    PyObject *s = text_of(text, strlen(text)); /* owned; the path may be cut inside a character */
    if (s) PyErr_SetObject(fault->type, s);
    Py_DecRef(s);
}

/* --- arguments ------------------------------------------------------------------------ */

static int no_memory(void) {
    PyErr_NoMemory();
    return -1;
}

/* What a batch is written into. */
typedef struct {
    levada_buf payloads, metas; /* columns; metas is empty while no message has said anything */
} batch;

/* The largest buffer that is kept for the next call. */
enum { LEVADA_SPARE = 1 << 20 };

/* Begins a column of n elements: the count and room for the offsets. */
static int begin_column(levada_buf *b, uint32_t n) {
    size_t head = 4 + 4 * ((size_t)n + 1);
    if (buf_need(b, head) < 0) return -1;
    put32(b, n);
    put32(b, 0); /* of the others, each is written when its element ends */
    b->len = head;
    return 0;
}

static int end_element(levada_buf *b, uint32_t n, uint32_t i) {
    size_t end = b->len - 4 - 4 * ((size_t)n + 1);
    if (end > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "batch larger than 4 GiB");
        return -1;
    }
    put32_at(b, 4 + 4 * ((size_t)i + 1), (uint32_t)end);
    return 0;
}

/* The attributes of a message of any class; attributes that it lacks are as in an
 * empty one. Owned. */
static int read_attributes(function *f, PyObject *msg, PyObject **a) {
    levada_state *st = f->state;
    for (int i = 0; i < M_SLOTS; i++) {
        a[i] = levada_attribute(st, msg, i);
        if (!a[i] && i != M_PAYLOAD && PyErr_ExceptionMatches(PyExc_AttributeError)) {
            PyErr_Clear();
            a[i] = levada_unsaid(st, i);
        }
        if (!a[i]) return -1;
    }
    return 0;
}

/* The metadata of message i; a NULL: it says nothing. Most batches have none, and none
 * is written then. */
static int put_meta(batch *b, PyObject **a, uint32_t n, uint32_t i, levada_fault *fault) {
    if (!a || levada_plain_meta(a)) {
        if (!b->metas.p) return 0;
        if (levada_put_no_meta(&b->metas) < 0) return no_memory();
        return end_element(&b->metas, n, i);
    }
    if (!b->metas.p) { /* the first that says something: those before it said nothing */
        if (begin_column(&b->metas, n) < 0) return no_memory();
        for (uint32_t k = 0; k < i; k++) {
            if (levada_put_no_meta(&b->metas) < 0) return no_memory();
            if (end_element(&b->metas, n, k) < 0) return -1;
        }
    }
    if (levada_put_all_meta(&b->metas, a, fault) < 0) return -1;
    return end_element(&b->metas, n, i);
}

static int put_message(function *f, batch *b, PyObject *msg, uint32_t n, uint32_t i, levada_fault *fault) {
    PyObject *a[M_SLOTS] = {0}; /* owned */
    int rc = -1;
    fault->what[0] = 0;
    bool alone = (a[M_PAYLOAD] = levada_only_payload(f->state, msg));
    if (!alone && read_attributes(f, msg, a) < 0) {
        if (PyErr_ExceptionMatches(PyExc_AttributeError) && !a[M_PAYLOAD]) {
            char got[128];
            PyErr_Clear();
            levada_type_name(msg, got, sizeof got);
            snprintf(fault->what, sizeof fault->what, "expected a message with a payload, got `%s`", got);
            fault->path[0] = 0;
            fault->type = PyExc_TypeError;
        }
        goto done;
    }
    if (levada_encode(&f->state->codec, f->in, a[M_PAYLOAD], &b->payloads, fault) < 0) goto done;
    if (end_element(&b->payloads, n, i) < 0) goto done;
    rc = put_meta(b, alone ? NULL : a, n, i, fault);
done:
    for (int k = 0; k < (alone ? M_KEY : M_SLOTS); k++) Py_DecRef(a[k]);
    return rc;
}

static int put_batch(function *f, batch *b, PyObject *const *msgs, uint32_t n, bool many) {
    levada_fault fault;
    char prefix[400];
    if (begin_column(&b->payloads, n) < 0) return no_memory();
    levada_find_public(f->state);
    for (uint32_t i = 0; i < n; i++) {
        if (put_message(f, b, msgs[i], n, i, &fault) == 0) continue;
        const char *name = PyErr_Occurred() ? NULL : PyUnicode_AsUTF8AndSize(f->name, NULL);
        if (many) {
            snprintf(prefix, sizeof prefix, "%.300s: message %u: ", name ? name : "?", i);
        } else {
            snprintf(prefix, sizeof prefix, "%.300s: ", name ? name : "?");
        }
        levada_raise_fault(&fault, prefix);
        return -1;
    }
    return 0;
}

/* --- results ---------------------------------------------------------------------------- */

/* Element i of a column that Go wrote. */
static int column_at(const uint8_t *p, size_t len, uint32_t i, const uint8_t **v, size_t *n) {
    levada_in in = {p, len, 0};
    uint32_t count, from, to;
    const uint8_t *ends;
    if (!take32(&in, &count) || i >= count || !(ends = take(&in, 4 * ((uint64_t)count + 1)))) goto corrupt;
    memcpy(&from, ends + 4 * (size_t)i, 4);
    memcpy(&to, ends + 4 * (size_t)i + 4, 4);
    if (from > to || to > in.n - in.off) goto corrupt;
    *v = in.p + in.off + from;
    *n = to - from;
    return 0;
corrupt:
    PyErr_SetString(PyExc_RuntimeError, "BUG: column: not the form of abi/frame.md");
    return -1;
}

/* A message of the public class; takes over the payload. */
static PyObject *make_message(function *f, PyObject *payload, const uint8_t *meta, size_t n) {
    levada_state *st = f->state;
    levada_find_public(st);
    PyObject *t = PyTuple_New(M_SLOTS); /* owned */
    if (!t || PyTuple_SetItem(t, M_PAYLOAD, payload) < 0) { /* takes over payload */
        if (!t) Py_DecRef(payload);
        Py_DecRef(t);
        return NULL;
    }
    for (int i = M_KEY; i < M_SLOTS; i++) {
        PyObject *v = levada_get_meta(st, meta, n, i); /* owned, taken over by SetItem */
        if (!v || PyTuple_SetItem(t, i, v) < 0) {
            Py_DecRef(t);
            return NULL;
        }
    }
    PyObject *out = PyObject_CallObject(st->public_message ? st->public_message : (PyObject *)st->message_type, t);
    Py_DecRef(t);
    return out;
}

static PyObject *result_at(function *f, const levada_callin *call, uint32_t i) {
    const uint8_t *p;
    size_t n;
    if (column_at(call->out, call->out_len, i, &p, &n) < 0) return NULL;
    PyObject *v = levada_build(&f->state->codec, f->out, p, n); /* owned */
    if (!v || !f->meta) return v;
    if (column_at(call->out_meta, call->out_meta_len, i, &p, &n) < 0) {
        Py_DecRef(v);
        return NULL;
    }
    return make_message(f, v, p, n);
}

/* The results of message i of an iterator; *k is the next result. */
static PyObject *results_of(function *f, const levada_callin *call, uint32_t i, uint32_t *k) {
    PyObject *list = PyList_New(0); /* owned */
    for (; list && *k < call->nout && call->from[*k] == i; ++*k) {
        PyObject *item = result_at(f, call, *k); /* owned */
        if (!item || PyList_Append(list, item) < 0) {
            Py_DecRef(list);
            list = NULL;
        }
        Py_DecRef(item);
    }
    return list;
}

/* The results: the one value of a single message, or a list of one value per message. */
static PyObject *results(function *f, const levada_callin *call, bool many) {
    uint32_t k = 0;
    if (!f->seq && call->nout != call->n) {
        PyErr_SetString(PyExc_RuntimeError, "BUG: function: another number of results than of messages");
        return NULL;
    }
    if (!many) return f->seq ? results_of(f, call, 0, &k) : result_at(f, call, 0);
    PyObject *list = PyList_New(call->n); /* owned */
    for (uint32_t i = 0; list && i < call->n; i++) {
        PyObject *v = f->seq ? results_of(f, call, i, &k) : result_at(f, call, i); /* owned, taken over by SetItem */
        if (!v || PyList_SetItem(list, i, v) < 0) {
            Py_DecRef(list);
            list = NULL;
        }
    }
    return list;
}

/* Calls Go with n messages, which the caller owns. The results, as results says. */
static PyObject *call_go(function *f, PyObject *const *msgs, uint32_t n, bool many) {
    LEVADA_ENTRY(NULL);
    batch b = {0};
    levada_callin call = {0};
    levada_away away;
    PyObject *out = NULL; /* owned */
    /* Taken away while in use: what a message does may call a function again. */
    b.payloads = f->state->spare;
    f->state->spare = (levada_buf){0};
    b.payloads.len = 0;
    if (put_batch(f, &b, msgs, n, many) < 0) goto done;
    /* Go copies the arguments before it writes results over them. */
    call.scratch = b.payloads.p;
    call.scratch_cap = b.payloads.cap;
    call.in = b.payloads.p;
    call.in_len = b.payloads.len;
    call.n = n;
    call.failed = -1;
    call.meta = b.metas.p;
    call.meta_len = b.metas.len;
    levada_away_begin(&away);
    levadaHostCall(f->handle, &call);
    levada_away_end(&away);
    LEVADA_ADD(call_ins, 1);
    LEVADA_ADD(conversions, n + (uint64_t)call.nout);
    if (call.failed != -1) {
        levada_raise_go(f->state, call.text, call.text_len, many ? call.failed : -1, call.note, call.note_len);
    } else {
        /* No collection half way: of what is built here nothing is garbage yet. It comes
         * with the next allocation after that, as it would from CPython 3.12 on anyway.
         * Making a message runs Python, and may let other threads run: not then. */
        int collecting = !f->meta && PyGC_Disable();
        out = results(f, &call, many);
        if (collecting) PyGC_Enable();
    }
done:
    if (call.out && call.out != b.payloads.p) { /* the larger one is kept */
        free(b.payloads.p);
        b.payloads = (levada_buf){call.out, 0, call.out_len};
    }
    if (b.payloads.cap > LEVADA_SPARE || f->state->spare.p) {
        levada_buf_free(&b.payloads);
    } else {
        f->state->spare = b.payloads;
    }
    levada_buf_free(&b.metas);
    free(call.out_meta);
    free(call.from);
    free(call.text);
    free(call.note);
    return out;
}

/* --- the type ------------------------------------------------------------------------------ */

/* The method needs no tuple of arguments; it is what levada.GoFunction calls. */
static PyObject *call(PyObject *self, PyObject *msg) { return call_go((function *)self, &msg, 1, false); }

static PyObject *called(PyObject *self, PyObject *args, PyObject *kwargs) {
    if (PyTuple_Size(args) != 1 || (kwargs && PyDict_Size(kwargs) > 0)) {
        PyErr_SetString(PyExc_TypeError, "expected one message");
        return NULL;
    }
    return call(self, PyTuple_GetItem(args, 0)); /* borrowed from args, which the caller owns */
}

static PyObject *call_batch(PyObject *self, PyObject *messages) {
    PyObject *list = PySequence_List(messages); /* owned: nothing can change it meanwhile */
    if (!list) return NULL;
    Py_ssize_t n = PyList_Size(list);
    PyObject **msgs = malloc((size_t)(n ? n : 1) * sizeof *msgs); /* borrowed from list */
    PyObject *out = NULL;
    if (!msgs || n > UINT32_MAX) {
        PyErr_NoMemory();
    } else if (n == 0) {
        out = PyList_New(0);
    } else {
        for (Py_ssize_t i = 0; i < n; i++) msgs[i] = PyList_GetItem(list, i);
        out = call_go((function *)self, msgs, (uint32_t)n, true);
    }
    free(msgs);
    Py_DecRef(list);
    return out;
}

static PyObject *new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    LEVADA_ENTRY(NULL);
    levada_state *st = PyType_GetModuleState(type);
    Py_ssize_t name_len, settings_len = 0;
    const char *settings = "";
    if (!st) return NULL;
    if ((kwargs && PyDict_Size(kwargs) > 0) || PyTuple_Size(args) < 1 || PyTuple_Size(args) > 2) {
        PyErr_SetString(PyExc_TypeError, "Function takes a name and a JSON object of settings");
        return NULL;
    }
    PyObject *name_obj = PyTuple_GetItem(args, 0); /* borrowed from args, as are the texts */
    const char *name = PyUnicode_AsUTF8AndSize(name_obj, &name_len);
    if (!name) return NULL;
    if (PyTuple_Size(args) == 2 && !(settings = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(args, 1), &settings_len))) return NULL;
    function *f = (function *)PyType_GenericAlloc(type, 0); /* owned; zero filled */
    if (!f) return NULL;
    levada_function_info info = {0};
    f->state = st;
    f->name = ref(name_obj);
    levadaHostFunction(st, (char *)name, (size_t)name_len, (char *)settings, (size_t)settings_len, &info);
    f->handle = info.handle;
    f->seq = info.seq;
    f->meta = info.meta;
    int bad = 0;
    if (info.error) {
        PyObject *s = text_of(info.error, info.error_len); /* owned */
        if (s) PyErr_SetObject(PyExc_ValueError, s);
        Py_DecRef(s);
        bad = 1;
    } else {
        bad = !(f->in = levada_add_layout(st, info.in, info.in_len)) || !(f->out = levada_add_layout(st, info.out, info.out_len));
    }
    free(info.error);
    free(info.in);
    free(info.out);
    if (bad) {
        Py_DecRef((PyObject *)f);
        return NULL;
    }
    return (PyObject *)f;
}

static int traverse(PyObject *self, visitproc visit, void *arg) { return visit((PyObject *)typeof_(self), arg); }

static void dealloc(PyObject *self) {
    function *f = (function *)self;
    PyTypeObject *type = typeof_(self);
    PyObject_GC_UnTrack(self);
    if (f->handle && !levada_forked) levadaHostForget(f->handle);
    Py_DecRef(f->name);
    PyObject_GC_Del(self);
    Py_DecRef((PyObject *)type); /* an instance of a heap type owns one */
}

static PyObject *repr(PyObject *self) {
    char text[300];
    const char *s = PyUnicode_AsUTF8AndSize(((function *)self)->name, NULL);
    if (!s) return NULL;
    snprintf(text, sizeof text, "<Go function %.250s>", s);
    return text_of(text, strlen(text));
}

static PyMethodDef methods[] = {
    {"call", call, METH_O, "Calls the Go function for one message."},
    {"call_batch", call_batch, METH_O, "Calls the Go function for all messages in one crossing."},
    {0},
};

static PyType_Slot slots[] = {
    {Py_tp_new, new},           {Py_tp_dealloc, dealloc}, {Py_tp_traverse, traverse}, {Py_tp_call, called},
    {Py_tp_methods, methods},   {Py_tp_repr, repr},
    {Py_tp_doc, "Function(name, settings): a Go function with its settings."},
    {0, NULL},
};

PyType_Spec levada_function_spec = {
    .name = "Function",
    .basicsize = sizeof(function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};
