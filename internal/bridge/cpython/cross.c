#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "host.h"
#include "process.h"

/* One call stays this long in Python at most: then the lane can see a stop, a revoke
 * and its timers. */
enum { CAP_MS = 100 };

levada_counters levada_count;

void levada_read_counters(levada_counters *c) {
#define X(name) c->name = __atomic_load_n(&levada_count.name, __ATOMIC_RELAXED);
    LEVADA_COUNTERS(X)
#undef X
}

static uint64_t clock_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

levada_cross *levada_cross_new(levada_state *st, uintptr_t host) {
    levada_cross *cx = calloc(1, sizeof *cx);
    if (!cx) return NULL;
    cx->state = st;
    cx->host = host;
    return cx;
}

/* A plain store as machines have it: what watches may be late, and costs nothing here. */
#define PUBLISH(at, v) __atomic_store_n(&(at), (v), __ATOMIC_RELAXED)

void levada_cross_reset(levada_cross *cx) {
    PUBLISH(cx->next, 0);
    PUBLISH(cx->step, 0);
    cx->nout = cx->ndeltas = cx->nerrors = 0;
    cx->out.len = cx->offsets.len = cx->from.len = cx->handles.len = cx->deltas.len = cx->errors.len = 0;
    cx->columns[0] = cx->columns[1] = (levada_column){0};
    cx->conversions = cx->calls = 0;
    cx->objects = NULL;
    cx->at = NULL;
    cx->release = NULL;
    cx->nrelease = 0;
    cx->layout = NULL;
}

void levada_cross_cancel(levada_cross *cx, bool v) { __atomic_store_n(&cx->cancel, v, __ATOMIC_RELAXED); }

void levada_cross_progress(const levada_cross *cx, levada_progress *p) {
    p->where = __atomic_load_n(&cx->where, __ATOMIC_RELAXED);
    p->next = __atomic_load_n(&cx->next, __ATOMIC_RELAXED);
    p->step = __atomic_load_n(&cx->step, __ATOMIC_RELAXED);
    p->os_thread = __atomic_load_n(&cx->os_thread, __ATOMIC_RELAXED);
}

void levada_cross_free(levada_cross *cx) {
    levada_buf_free(&cx->out);
    levada_buf_free(&cx->offsets);
    levada_buf_free(&cx->from);
    levada_buf_free(&cx->handles);
    levada_buf_free(&cx->deltas);
    levada_buf_free(&cx->errors);
    free(cx);
}

int levada_release(const uintptr_t *handles, uint32_t n) {
    if (levada_enter() < 0) return -1;
    LEVADA_ADD(gil_acquisitions, 1);
    for (uint32_t i = 0; i < n; i++) Py_DecRef((PyObject *)handles[i]);
    levada_leave();
    return 0;
}

/* --- bytes of an element -------------------------------------------------------------- */

/* Raises the text of an error of Go's, and frees it. */
static int raise_text(char *text, size_t n) {
    PyObject *s = PyUnicode_FromStringAndSize(text ? text : "", text ? (Py_ssize_t)n : 0); /* owned */
    if (s) PyErr_SetObject(PyExc_ValueError, s);
    Py_DecRef(s);
    free(text);
    return -1;
}

int levada_cross_bytes(levada_cross *cx, int column, uint32_t i, const uint8_t **p, size_t *n) {
    levada_column *c = &cx->columns[column];
    char *error = NULL;
    size_t len = 0;
    if (!c->p) {
        LEVADA_ENTRY(-1);
        if (levadaHostColumn(cx->host, column, c, &error, &len) < 0) return raise_text(error, len);
    }
    uint32_t from, to;
    memcpy(&from, c->p + 4 * (size_t)i, 4);
    memcpy(&to, c->p + 4 * (size_t)i + 4, 4);
    if (from > to || to > c->len) {
        PyErr_SetString(PyExc_RuntimeError, "BUG: column: offsets out of order");
        return -1;
    }
    if (from == to && column == 0) { /* no value is without bytes: this one could not be encoded */
        LEVADA_ENTRY(-1);
        levadaHostElement(cx->host, i, &error, &len);
        return raise_text(error, len);
    }
    *p = c->values + from;
    *n = to - from;
    return 0;
}

/* Copies what another branch of a broadcast holds too and may change. */
static PyObject *deep_copy(PyObject *v) {
    if (v == Py_None || flags_(v) & (Py_TPFLAGS_LONG_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_BYTES_SUBCLASS) ||
        typeof_(v) == &PyFloat_Type) {
        return ref(v);
    }
    PyObject *copy = NULL, *fn = NULL, *out = NULL; /* owned */
    if ((copy = PyImport_ImportModule("copy")) && (fn = PyObject_GetAttrString(copy, "deepcopy"))) {
        out = call_one(fn, v);
    }
    Py_DecRef(fn);
    Py_DecRef(copy);
    return out;
}

static PyObject *object_at(const uintptr_t *words, size_t *at) {
    uintptr_t w = words[(*at)++];
    if (!(w & LEVADA_WORD_LIST)) {
        PyObject *v = (PyObject *)(w & ~(uintptr_t)LEVADA_WORD);
        return w & LEVADA_WORD_SHARED ? deep_copy(v) : ref(v);
    }
    Py_ssize_t n = (Py_ssize_t)(w >> 3);
    PyObject *list = PyList_New(n); /* owned */
    for (Py_ssize_t i = 0; list && i < n; i++) {
        PyObject *v = object_at(words, at); /* owned, taken over by SetItem */
        if (!v || PyList_SetItem(list, i, v) < 0) {
            Py_DecRef(list);
            return NULL;
        }
    }
    return list;
}

PyObject *levada_cross_object(levada_cross *cx, uint32_t i) {
    size_t at = cx->at ? cx->at[i] : i;
    return object_at(cx->objects, &at);
}

/* --- errors of an element --------------------------------------------------------------- */

/* Appends str(v) with a length in front; an exception is not left behind. */
static void put_text(levada_buf *b, PyObject *v) {
    Py_ssize_t n = 0;
    PyObject *s = v ? PyObject_Str(v) : NULL;                                                              /* owned */
    PyObject *bytes = s ? PyUnicode_AsEncodedString(s, "utf-8", "backslashreplace") : NULL; /* owned */
    char *p = NULL;
    if (bytes) PyBytes_AsStringAndSize(bytes, &p, &n);
    PyErr_Clear();
    if (levada_put_bytes(b, p ? p : "", p ? (size_t)n : 0) < 0 && buf_need(b, 4) == 0) put32(b, 0);
    Py_DecRef(bytes);
    Py_DecRef(s);
}

/* The full name of an exception class: module.name, or name where it is built in. */
static PyObject *class_name(PyObject *type) {
    PyObject *name = PyObject_GetAttrString(type, "__qualname__"), *module = PyObject_GetAttrString(type, "__module__"); /* owned */
    PyObject *parts = NULL, *dot = NULL, *out = NULL;
    if (name && module && flags_(module) & Py_TPFLAGS_UNICODE_SUBCLASS &&
        PyUnicode_CompareWithASCIIString(module, "builtins") != 0 && (parts = PyList_New(0)) && (dot = PyUnicode_FromString(".")) &&
        PyList_Append(parts, module) == 0 && PyList_Append(parts, name) == 0) {
        out = PyUnicode_Join(dot, parts);
    } else if (name) {
        out = ref(name);
    }
    PyErr_Clear();
    Py_DecRef(dot);
    Py_DecRef(parts);
    Py_DecRef(module);
    Py_DecRef(name);
    return out;
}

static PyObject *traceback_text(levada_state *st, PyObject *type, PyObject *val, PyObject *tb) {
    if (!st->format) { /* imported when first needed: it takes as long as the rest of the load */
        PyObject *traceback = PyImport_ImportModule("traceback"); /* owned */
        st->format = traceback ? PyObject_GetAttrString(traceback, "format_exception") : NULL;
        Py_DecRef(traceback);
    }
    PyObject *lines = st->format ? PyObject_CallFunctionObjArgs(st->format, type, val ? val : Py_None, tb ? tb : Py_None, NULL) : NULL; /* owned */
    PyObject *out = lines ? PyUnicode_Join(st->empty, lines) : NULL;
    Py_DecRef(lines);
    PyErr_Clear();
    return out;
}

/* Whether an exception asks for another call: levada.RetryableError and what derives from
 * it say so by an attribute of the class, which needs no import here. */
static bool asks_again(PyObject *type) {
    PyObject *mark = PyObject_GetAttrString(type, "__levada_retry__"); /* owned */
    bool yes = mark == Py_True;
    PyErr_Clear();
    Py_DecRef(mark);
    return yes;
}

static int begin_error(levada_cross *cx, uint32_t element, uint32_t step, bool again) {
    if (buf_need(&cx->errors, 12 + 3 * 4) < 0) return -1;
    put32(&cx->errors, element);
    put32(&cx->errors, step);
    put32(&cx->errors, again);
    cx->nerrors++;
    return 0;
}

/* Records the exception that is set as the failure of an element. -1: it stops the
 * whole run. */
static int failed(levada_cross *cx, uint32_t element, uint32_t step) {
    PyObject *type, *val, *tb; /* owned */
    PyErr_Fetch(&type, &val, &tb);
    PyErr_NormalizeException(&type, &val, &tb);
    int stop = type && (PyErr_GivenExceptionMatches(type, PyExc_KeyboardInterrupt) || PyErr_GivenExceptionMatches(type, PyExc_SystemExit));
    if (begin_error(cx, element, step, type && asks_again(type)) < 0) {
        stop = 1; /* no memory to say what happened: the run can not go on */
    } else {
        PyObject *name = type ? class_name(type) : NULL;                            /* owned */
        PyObject *trace = type ? traceback_text(cx->state, type, val, tb) : NULL; /* owned */
        put_text(&cx->errors, name);
        put_text(&cx->errors, val);
        put_text(&cx->errors, trace);
        Py_DecRef(trace);
        Py_DecRef(name);
    }
    Py_DecRef(tb);
    Py_DecRef(val);
    Py_DecRef(type);
    return stop ? -1 : 0;
}

/* Records a result that does not fit. */
static int misfit(levada_cross *cx, uint32_t element, uint32_t step, const levada_fault *fault) {
    char text[1024];
    if (!fault->what[0]) return failed(cx, element, step);
    levada_fault_text(fault, text, sizeof text);
    if (begin_error(cx, element, step, false) < 0) return -1;
    put32(&cx->errors, 0); /* no exception: a conversion */
    if (levada_put_bytes(&cx->errors, text, strlen(text)) < 0) return -1;
    if (buf_need(&cx->errors, 4) < 0) return -1;
    put32(&cx->errors, 0);
    return 0;
}

/* --- results -------------------------------------------------------------------------------- */

/* What a step returned. All owned; key NULL: the metadata stays as it is. explicit_:
 * it was a message, and None in it is meant. */
typedef struct {
    PyObject *payload, *key, *headers;
    bool explicit_;
} outcome;

static void outcome_drop(outcome *o) {
    Py_DecRef(o->payload);
    Py_DecRef(o->key);
    Py_DecRef(o->headers);
    *o = (outcome){0};
}

/* Takes a result apart; takes over the reference to res. -1: exception set. */
static int take_result(levada_cross *cx, levada_message *m, PyObject *res, outcome *o) {
    levada_state *st = cx->state;
    unsigned long flags = flags_(res);
    *o = (outcome){0};
    if (res == Py_None || flags & (Py_TPFLAGS_DICT_SUBCLASS | Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_BYTES_SUBCLASS |
                                   Py_TPFLAGS_LIST_SUBCLASS | Py_TPFLAGS_LONG_SUBCLASS)) {
        o->payload = res;
        return 0;
    }
    if (levada_is_message(st, res)) {
        levada_message *r = (levada_message *)res;
        o->explicit_ = true;
        o->payload = levada_message_get(r, M_PAYLOAD);
        if (o->payload && (r != m || r->changed)) {
            o->key = levada_message_get(r, M_KEY);
            o->headers = o->key ? levada_message_get(r, M_HEADERS) : NULL;
        }
    } else if (st->public_message && PyType_IsSubtype(typeof_(res), (PyTypeObject *)st->public_message)) {
        o->explicit_ = true;
        o->payload = levada_attribute(st, res, M_PAYLOAD);
        o->key = o->payload ? levada_attribute(st, res, M_KEY) : NULL;
        o->headers = o->key ? levada_attribute(st, res, M_HEADERS) : NULL;
    } else {
        o->payload = res;
        return 0;
    }
    Py_DecRef(res);
    if (!PyErr_Occurred()) return 0;
    outcome_drop(o);
    return -1;
}

static int no_memory(void) {
    PyErr_NoMemory();
    return -1;
}

static int expected(levada_fault *f, const char *what, PyObject *got, const char *hint) {
    char name[128];
    levada_type_name(got, name, sizeof name);
    snprintf(f->what, sizeof f->what, "expected %s, got `%s`%s", what, name, hint);
    f->path[0] = 0;
    f->type = PyExc_TypeError;
    return -1;
}

/* null_ok: None is Kafka's null, not a forgotten return. */
static int put_raw(levada_buf *out, PyObject *v, bool null_ok, levada_fault *f) {
    char *p;
    Py_ssize_t n;
    f->what[0] = 0;
    if (v == Py_None) {
        if (!null_ok) return expected(f, "`bytes`", v, " (to write a null, return msg.with_payload(None))");
        if (buf_need(out, 1) < 0) return no_memory();
        put8(out, LEVADA_NULL);
        return 0;
    }
    if (!(flags_(v) & Py_TPFLAGS_BYTES_SUBCLASS)) return expected(f, "`bytes`", v, "");
    if (PyBytes_AsStringAndSize(v, &p, &n) < 0) return -1;
    if (buf_need(out, 1 + (size_t)n) < 0) return no_memory();
    put8(out, LEVADA_PRESENT);
    if (n) memcpy(out->p + out->len, p, (size_t)n);
    out->len += (size_t)n;
    return 0;
}

static int put_payload(levada_cross *cx, PyObject *v, bool null_ok, levada_fault *f) {
    switch (cx->form) {
    case LEVADA_RAW:
        return put_raw(&cx->out, v, null_ok, f);
    case LEVADA_ROUTE:
        if (!(flags_(v) & (Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_LONG_SUBCLASS))) {
            return expected(f, "`str`, `int` or `bool`", v, "");
        }
        return levada_encode(&cx->state->codec, cx->state->any, v, &cx->out, f);
    case LEVADA_FRAME:
        return levada_encode(&cx->state->codec, cx->out_layout, v, &cx->out, f);
    case LEVADA_HANDLES:
        if (buf_need(&cx->handles, 8) < 0) return no_memory();
        put64(&cx->handles, (uint64_t)(uintptr_t)ref(v)); /* owned by the handle */
    }
    return 0;
}

/* Appends one result. -1: the run stops. */
static int emit(levada_cross *cx, levada_message *m, outcome *o, uint32_t element, uint32_t step, bool null_ok) {
    levada_fault fault;
    PyObject *key = o->key, *headers = o->headers; /* borrowed */
    size_t out = cx->out.len, deltas = cx->deltas.len;
    fault.what[0] = 0;
    if (!key && m && m->changed) { /* an earlier step has set them */
        key = m->slot[M_KEY];
        headers = m->slot[M_HEADERS];
    }
    if (buf_need(&cx->from, 4) < 0 || buf_need(&cx->offsets, 4) < 0 || buf_need(&cx->deltas, 4) < 0) {
        no_memory();
        return failed(cx, element, step);
    }
    if (key) {
        put32(&cx->deltas, cx->nout);
        if (levada_put_meta(&cx->deltas, key, headers, &fault) < 0) {
            cx->deltas.len = deltas;
            return misfit(cx, element, step, &fault);
        }
    }
    if (put_payload(cx, o->payload, null_ok || o->explicit_, &fault) < 0) {
        cx->out.len = out;
        cx->deltas.len = deltas;
        return misfit(cx, element, step, &fault);
    }
    if (cx->out.len > UINT32_MAX) {
        cx->out.len = out;
        cx->deltas.len = deltas;
        PyErr_SetString(PyExc_MemoryError, "results of a chunk above 4 GiB");
        return failed(cx, element, step);
    }
    cx->ndeltas += key != NULL;
    put32(&cx->from, element);
    put32(&cx->offsets, (uint32_t)cx->out.len);
    cx->nout++;
    return 0;
}

/* --- steps -------------------------------------------------------------------------------------- */

/* The message for the next step: the same record, another payload. Takes over o. */
static levada_message *next_message(levada_cross *cx, levada_message *m, outcome *o) {
    levada_message *next = levada_message_new(cx, m->index); /* owned */
    if (next) {
        PyObject *old = next->slot[M_PAYLOAD];
        next->slot[M_PAYLOAD] = ref(o->payload);
        Py_DecRef(old);
        next->changed = m->changed || o->key;
        if (next->changed) {
            next->slot[M_KEY] = ref(o->key ? o->key : m->slot[M_KEY]);
            next->slot[M_HEADERS] = ref(o->key ? o->headers : m->slot[M_HEADERS]);
        }
    }
    outcome_drop(o);
    return next;
}

static int run_steps(levada_cross *cx, levada_message *m, uint32_t element, uint32_t k);

/* Whether None from a step means null: only where it got null. */
static bool was_null(levada_message *m) { return m->slot[M_PAYLOAD] == Py_None; }

static int map_step(levada_cross *cx, levada_message *m, PyObject *res, uint32_t element, uint32_t k) {
    outcome o;
    if (take_result(cx, m, res, &o) < 0) return failed(cx, element, k);
    if (k + 1 == cx->nsteps) {
        int rc = emit(cx, m, &o, element, k, was_null(m));
        outcome_drop(&o);
        return rc;
    }
    levada_message *next = next_message(cx, m, &o); /* taken over by run_steps */
    return next ? run_steps(cx, next, element, k + 1) : failed(cx, element, k);
}

/* A flat map is atomic per message: its results are all there before the first of them
 * goes on. */
static int flat_map_step(levada_cross *cx, levada_message *m, PyObject *res, uint32_t element, uint32_t k) {
    levada_fault fault = {0};
    unsigned long flags = flags_(res);
    if (res == Py_None || flags & (Py_TPFLAGS_UNICODE_SUBCLASS | Py_TPFLAGS_BYTES_SUBCLASS | Py_TPFLAGS_DICT_SUBCLASS) ||
        levada_is_message(cx->state, res)) {
        expected(&fault, "an iterable of payloads", res, "");
        Py_DecRef(res);
        return misfit(cx, element, k, &fault);
    }
    PyObject *iter = PyObject_GetIter(res); /* owned */
    if (!iter && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        expected(&fault, "an iterable of payloads", res, "");
        Py_DecRef(res);
        return misfit(cx, element, k, &fault);
    }
    PyObject *list = iter ? PySequence_List(iter) : NULL; /* owned; runs a generator to its end */
    Py_DecRef(iter);
    Py_DecRef(res);
    if (!list) return failed(cx, element, k);
    Py_ssize_t n = PyList_Size(list);
    int rc = 0;
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) {
        PyObject *item = PyList_GetItem(list, i); /* borrowed from our own list */
        rc = item ? map_step(cx, m, ref(item), element, k) : failed(cx, element, k);
    }
    Py_DecRef(list);
    return rc;
}

/* Runs the steps from k on over one message; takes over the reference to it. -1: the
 * run stops. */
static int run_steps(levada_cross *cx, levada_message *m, uint32_t element, uint32_t k) {
    int rc = 0, pass = 1;
    PyObject *res;
    for (; k < cx->nsteps; k++) {
        levada_step *step = &cx->steps[k];
        cx->calls++;
        PUBLISH(cx->step, k);
        res = call_one((PyObject *)step->function, (PyObject *)m); /* owned */
        if (!res) {
            rc = failed(cx, element, k);
            goto done;
        }
        if (step->kind == LEVADA_CALL_MAP) {
            rc = map_step(cx, m, res, element, k); /* takes over res */
            goto done;
        }
        if (step->kind == LEVADA_CALL_FLAT_MAP) {
            rc = flat_map_step(cx, m, res, element, k); /* takes over res */
            goto done;
        }
        pass = res == Py_True ? 1 : res == Py_False ? 0 : PyObject_IsTrue(res);
        Py_DecRef(res);
        if (pass < 0) rc = failed(cx, element, k);
        if (pass <= 0) goto done;
    }
    /* The last step was a filter. */
    if (cx->form == LEVADA_KEEP) {
        if (buf_need(&cx->from, 4) < 0) {
            no_memory();
            rc = failed(cx, element, k - 1);
        } else {
            put32(&cx->from, element);
            cx->nout++;
        }
    } else {
        outcome o = {.payload = levada_message_get(m, M_PAYLOAD)};
        rc = o.payload ? emit(cx, m, &o, element, k - 1, true) : failed(cx, element, k - 1);
        outcome_drop(&o);
    }
done:
    levada_message_drop(m);
    return rc;
}

/* No steps: a conversion. */
static int convert(levada_cross *cx, uint32_t i) {
    outcome o = {0};
    const uint8_t *p;
    size_t n;
    cx->conversions++;
    if (cx->source == LEVADA_OBJECTS) {
        o.payload = levada_cross_object(cx, i);
    } else if (levada_cross_bytes(cx, 0, i, &p, &n) == 0) {
        o.payload = levada_build(&cx->state->codec, cx->layout, p, n);
    }
    if (!o.payload) return failed(cx, i, 0);
    int rc = emit(cx, NULL, &o, i, 0, true);
    outcome_drop(&o);
    return rc;
}

int levada_cross_run(levada_cross *cx) {
    int rc = LEVADA_DONE;
    uint64_t wait = clock_ns(CLOCK_MONOTONIC);
    PUBLISH(cx->os_thread, (uint64_t)pthread_self());
    PUBLISH(cx->where, LEVADA_WAITING);
    if (levada_enter() < 0) {
        PUBLISH(cx->where, LEVADA_OUTSIDE);
        return LEVADA_CLOSED;
    }
    PUBLISH(cx->where, LEVADA_INSIDE);
    uint64_t begin = clock_ns(CLOCK_MONOTONIC);
    /* The coarse clock is a few ns; it lags by a few ms, which does not matter here. */
    uint64_t deadline = clock_ns(CLOCK_MONOTONIC_COARSE) + CAP_MS * 1000000u;
    uint64_t calls = cx->calls, conversions = cx->conversions;
    cx->thread = levada_thread();
    for (uint32_t i = 0; i < cx->nrelease; i++) Py_DecRef((PyObject *)cx->release[i]);
    cx->nrelease = 0;
    while (cx->next < cx->n) {
        uint32_t i = cx->next;
        PUBLISH(cx->next, i + 1);
        int stopped;
        if (cx->nsteps == 0) {
            stopped = convert(cx, i);
        } else {
            levada_message *m = levada_message_new(cx, i); /* taken over by run_steps */
            stopped = m ? run_steps(cx, m, i, 0) : failed(cx, i, 0);
        }
        if (stopped < 0) {
            rc = LEVADA_STOPPED;
            break;
        }
        if (cx->next < cx->n && (__atomic_load_n(&cx->cancel, __ATOMIC_RELAXED) || clock_ns(CLOCK_MONOTONIC_COARSE) >= deadline)) {
            rc = LEVADA_PAUSED;
            break;
        }
    }
    uint64_t end = clock_ns(CLOCK_MONOTONIC);
    levada_leave();
    PUBLISH(cx->where, LEVADA_OUTSIDE);
    LEVADA_ADD(crossings, 1);
    LEVADA_ADD(gil_acquisitions, 1);
    LEVADA_ADD(gil_wait_ns, begin - wait);
    LEVADA_ADD(gil_hold_ns, end - begin);
    LEVADA_ADD(python_calls, cx->calls - calls);
    LEVADA_ADD(conversions, cx->conversions - conversions);
    return rc;
}
