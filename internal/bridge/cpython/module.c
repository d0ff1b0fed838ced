#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "process.h"

static levada_state *state_of(PyObject *module) { return PyModule_GetState(module); }

/* --- functions of the module ----------------------------------------------------------- */

static PyObject *take_text(char *p, size_t n) {
    PyObject *s = PyUnicode_FromStringAndSize(p ? p : "", p ? (Py_ssize_t)n : 0);
    free(p);
    return s;
}

static int raise_value(PyObject *type, char *p, size_t n) {
    PyObject *s = take_text(p, n); /* owned */
    if (s) PyErr_SetObject(type, s);
    Py_DecRef(s);
    return -1;
}

static int put_string(levada_buf *b, PyObject *v, const char *what) {
    Py_ssize_t n;
    char text[160], got[100];
    if (!(flags_(v) & Py_TPFLAGS_UNICODE_SUBCLASS)) {
        levada_type_name(v, got, sizeof got);
        snprintf(text, sizeof text, "%s: expected str, got %s", what, got);
        PyErr_SetString(PyExc_TypeError, text);
        return -1;
    }
    const char *s = PyUnicode_AsUTF8AndSize(v, &n);
    if (!s) return -1;
    if (levada_put_bytes(b, s, (size_t)n) == 0) return 0;
    PyErr_NoMemory();
    return -1;
}

static int put_argv(levada_buf *b, PyObject *argv) {
    PyObject *list = PySequence_List(argv); /* owned */
    if (!list) return -1;
    Py_ssize_t n = PyList_Size(list);
    int rc = buf_need(b, 4);
    if (rc == 0) put32(b, (uint32_t)n);
    for (Py_ssize_t i = 0; rc == 0 && i < n; i++) rc = put_string(b, PyList_GetItem(list, i), "argv"); /* borrowed */
    Py_DecRef(list);
    if (rc < 0 && !PyErr_Occurred()) PyErr_NoMemory();
    return rc;
}

/* The names and callables of a dict; handles are owned by the caller. */
static int put_functions(levada_buf *names, levada_buf *handles, PyObject *functions) {
    PyObject *name, *fn; /* borrowed from the dict */
    Py_ssize_t pos = 0;
    uint32_t n = 0;
    if (!(flags_(functions) & Py_TPFLAGS_DICT_SUBCLASS)) {
        PyErr_SetString(PyExc_TypeError, "functions: expected a dict of callables");
        return -1;
    }
    if (buf_need(names, 4) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    put32(names, 0);
    while (PyDict_Next(functions, &pos, &name, &fn)) {
        if (put_string(names, name, "functions") < 0) return -1;
        if (!PyCallable_Check(fn)) {
            PyErr_SetString(PyExc_TypeError, "functions: expected callables as values");
            return -1;
        }
        if (buf_need(handles, 8) < 0) {
            PyErr_NoMemory();
            return -1;
        }
        put64(handles, (uint64_t)(uintptr_t)ref(fn));
        n++;
    }
    put32_at(names, 0, n);
    return 0;
}

static PyObject *module_main(PyObject *module, PyObject *args) {
    LEVADA_ENTRY(NULL);
    Py_ssize_t plan_len, manifest_len;
    levada_buf argv = {0}, names = {0}, handles = {0};
    levada_main_call call = {0};
    PyObject *out = NULL;
    char *error = NULL;
    size_t n = 0;
    int code = 0;
    if (PyTuple_Size(args) != 4) {
        PyErr_SetString(PyExc_TypeError, "main takes argv, plan, manifest and functions");
        return NULL;
    }
    /* Borrowed from args, which the caller owns until the call returns; so are the texts. */
    call.plan = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(args, 1), &plan_len);
    if (!call.plan) return NULL;
    call.manifest = PyUnicode_AsUTF8AndSize(PyTuple_GetItem(args, 2), &manifest_len);
    if (!call.manifest) return NULL;
    if (put_argv(&argv, PyTuple_GetItem(args, 0)) < 0) goto done;
    if (put_functions(&names, &handles, PyTuple_GetItem(args, 3)) < 0) goto done;
    call.argv = argv.p;
    call.argv_len = argv.len;
    call.plan_len = (size_t)plan_len;
    call.manifest_len = (size_t)manifest_len;
    call.names = names.p;
    call.names_len = names.len;
    call.functions = (const uintptr_t *)handles.p;
    levada_find_public(state_of(module));
    if (levadaHostMain(state_of(module), &call, &code, &error, &n) < 0) {
        if (error) raise_value(PyExc_RuntimeError, error, n);
    } else {
        out = PyLong_FromLongLong(code);
    }
done:
    for (size_t i = 0; i + 8 <= handles.len; i += 8) {
        uintptr_t fn;
        memcpy(&fn, handles.p + i, 8);
        Py_DecRef((PyObject *)fn);
    }
    levada_buf_free(&handles);
    levada_buf_free(&names);
    levada_buf_free(&argv);
    return out;
}

static PyObject *module_manifest(PyObject *module, PyObject *unused) {
    LEVADA_ENTRY(NULL);
    (void)module;
    (void)unused;
    char *manifest, *fingerprint;
    size_t n, m;
    levadaHostManifest(&manifest, &n, &fingerprint, &m);
    free(fingerprint);
    return take_text(manifest, n);
}

static PyObject *module_yaml_functions(PyObject *module, PyObject *path) {
    LEVADA_ENTRY(NULL);
    (void)module;
    Py_ssize_t len;
    uint8_t *names = NULL;
    char *error = NULL;
    size_t n = 0, error_len = 0;
    const char *p = PyUnicode_AsUTF8AndSize(path, &len); /* lives as long as path */
    if (!p) return NULL;
    if (levadaHostYAML((char *)p, (size_t)len, &names, &n, &error, &error_len) < 0) {
        raise_value(PyExc_ValueError, error, error_len);
        return NULL;
    }
    levada_in in = {names, n, 0};
    uint32_t count = 0, size;
    PyObject *list = PyList_New(0); /* owned */
    take32(&in, &count);
    for (uint32_t i = 0; list && i < count; i++) {
        const uint8_t *text = take_bytes(&in, &size);
        PyObject *s = text ? PyUnicode_FromStringAndSize((const char *)text, size) : NULL; /* owned */
        if (!s || PyList_Append(list, s) < 0) {
            Py_DecRef(list);
            list = NULL;
        }
        Py_DecRef(s);
    }
    free(names);
    return list;
}

static PyObject *module_counters(PyObject *module, PyObject *unused) {
    (void)module;
    (void)unused;
    levada_counters c;
    PyObject *out = PyDict_New(), *v; /* owned */
    levada_read_counters(&c);
    int bad = !out;
#define X(name)                                                               \
    if (!bad) {                                                               \
        PyObject *key = PyUnicode_InternFromString(#name); /* owned */        \
        v = PyLong_FromUnsignedLongLong(c.name);                              \
        bad = !key || !v || PyDict_SetItem(out, key, v) < 0;                  \
        Py_DecRef(v);                                                         \
        Py_DecRef(key);                                                       \
    }
    LEVADA_COUNTERS(X)
#undef X
    if (!bad) return out;
    Py_DecRef(out);
    return NULL;
}

static PyMethodDef methods[] = {
    {"main", module_main, METH_VARARGS, "main(argv, plan, manifest, functions) -> exit code: run, check, explain."},
    {"manifest", module_manifest, METH_NOARGS, "The manifest of the compiled steps, as JSON."},
    {"yaml_functions", module_yaml_functions, METH_O, "Names of the functions that a YAML pipeline wants."},
    {"counters", module_counters, METH_NOARGS, "What has crossed between Go and Python so far, by name."},
    {0},
};

/* --- state -------------------------------------------------------------------------------- */

static int traverse(PyObject *module, visitproc visit, void *arg) {
    levada_state *st = state_of(module);
    int rc = st ? levada_codec_traverse(&st->codec, visit, arg) : 0;
    if (!st || rc) return rc;
    PyObject *held[] = {(PyObject *)st->message_type, (PyObject *)st->function_type, st->public_message, st->go_error, st->format,
                        st->current_thread, st->members[0], st->members[1]};
    for (size_t i = 0; rc == 0 && i < sizeof held / sizeof *held; i++) rc = held[i] ? visit(held[i], arg) : 0;
    for (levada_layout *l = st->layouts; rc == 0 && l; l = l->next) rc = levada_layout_traverse(l, visit, arg);
    return rc;
}

static void drop(PyObject **o) {
    PyObject *old = *o;
    *o = NULL;
    Py_DecRef(old);
}

/* Messages and functions may outlive the first round of a collection and need codec and
 * layouts until their type dies: clear gives up only what can be part of a cycle and is
 * not needed by them. */
static int clear(PyObject *module) {
    levada_state *st = state_of(module);
    if (!st) return 0;
    st->member_get = NULL;
    drop(&st->members[0]);
    drop(&st->members[1]);
    drop(&st->public_message);
    drop(&st->go_error);
    return 0;
}

static void free_module(void *module) {
    levada_state *st = state_of(module);
    if (!st) return;
    if (st->message_type && !levada_forked) levadaHostUnload(st);
    clear(module);
    drop((PyObject **)&st->message_type);
    drop((PyObject **)&st->function_type);
    drop(&st->format);
    drop(&st->current_thread);
    drop(&st->empty);
    drop(&st->package);
    for (int i = 0; i < M_SLOTS; i++) drop(&st->names[i]);
    drop(&st->slots[0]);
    drop(&st->slots[1]);
    while (st->layouts) {
        levada_layout *l = st->layouts;
        st->layouts = l->next;
        levada_layout_free(l);
    }
    levada_codec_clear(&st->codec);
    levada_buf_free(&st->spare);
}

/* --- load ------------------------------------------------------------------------------------- */

static int import_error(const char *text) {
    PyErr_SetString(PyExc_ImportError, text);
    return -1;
}

/* Refuses interpreters whose objects are laid out otherwise. Uses functions only. */
static int check_interpreter(void) {
    char text[256];
    PyObject *flags = PySys_GetObject("abiflags"); /* borrowed */
    const char *s = flags ? PyUnicode_AsUTF8AndSize(flags, NULL) : "";
    if (!s) return -1;
    if (strchr(s, 't')) return import_error("levada: this is a free-threaded CPython, whose objects are laid out otherwise; use the build with the GIL");
    if (PySys_GetObject("getobjects")) {
        return import_error("levada: this CPython was built with Py_TRACE_REFS, which lays out objects otherwise; use a build without it");
    }
    PyErr_Clear();
    PyObject *size = PyObject_GetAttrString((PyObject *)&PyBaseObject_Type, "__basicsize__"); /* owned */
    long long n = size ? PyLong_AsLongLong(size) : -1;
    Py_DecRef(size);
    if (PyErr_Occurred()) return -1;
    if (n != (long long)sizeof(PyObject)) {
        snprintf(text, sizeof text, "levada: expected objects of %zu bytes, this interpreter has %lld", sizeof(PyObject), n);
        return import_error(text);
    }
    return 0;
}

/* A type that belongs to the module under its real name, which is that of the team's
 * package: a class is pickled by that name. */
static PyTypeObject *make_type(PyObject *module, const PyType_Spec *spec) {
    char name[256];
    PyObject *package = PyObject_GetAttrString(module, "__name__"); /* owned */
    const char *s = package ? PyUnicode_AsUTF8AndSize(package, NULL) : NULL;
    PyTypeObject *type = NULL;
    if (s) {
        PyType_Spec named = *spec;
        snprintf(name, sizeof name, "%.200s.%s", s, spec->name);
        named.name = name; /* copied by CPython from 3.11 on */
        type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &named, NULL);
    }
    Py_DecRef(package);
    return type;
}

static int fill(levada_state *st, PyObject *module) {
    static const char *const names[M_SLOTS] = {"payload", "key", "headers", "timestamp", "topic", "partition", "offset"};
    static const uint8_t bytes[] = {1, 0, 0, 0, LEVADA_BYTES, LEVADA_NULLABLE}, any[] = {1, 0, 0, 0, LEVADA_ANY, 0};
    for (int i = 0; i < M_SLOTS; i++) {
        if (!(st->names[i] = PyUnicode_InternFromString(names[i]))) return -1;
    }
    if (!(st->slots[0] = PyUnicode_InternFromString("_payload")) || !(st->slots[1] = PyUnicode_InternFromString("_meta"))) return -1;
    if (!(st->package = PyUnicode_InternFromString("levada"))) return -1;
    if (!(st->empty = PyUnicode_FromStringAndSize("", 0))) return -1;
    if (levada_codec_init(&st->codec) < 0) return -1;
    if (!(st->bytes = levada_add_layout(st, bytes, sizeof bytes)) || !(st->any = levada_add_layout(st, any, sizeof any))) return -1;
    /* Imported here and not by the first lane: the thread that imports threading first is
     * the main thread to it, and Python waits for that one at exit. */
    PyObject *threading = PyImport_ImportModule("threading"); /* owned */
    if (threading) st->current_thread = PyObject_GetAttrString(threading, "current_thread");
    Py_DecRef(threading);
    if (!st->current_thread) return -1;
    st->message_type = make_type(module, &levada_message_spec);
    if (!st->message_type) return -1;
    st->function_type = make_type(module, &levada_function_spec);
    return st->function_type ? 0 : -1;
}

static int exec(PyObject *module) {
    levada_state *st = state_of(module); /* zero filled by CPython */
    char *manifest, *text;
    size_t n, m;
    /* Here and not in PyInit, which CPython 3.13 runs in the main interpreter always. */
    if (PyInterpreterState_GetID(PyInterpreterState_Get()) != 0) {
        return import_error("levada: sub-interpreters are not supported; load it in the main one");
    }
    if (!st || levada_process_load() < 0 || fill(st, module) < 0) return -1;
    if (PyModule_AddObjectRef(module, "Message", (PyObject *)st->message_type) < 0) return -1;
    if (PyModule_AddObjectRef(module, "Function", (PyObject *)st->function_type) < 0) return -1;
    levadaHostManifest(&manifest, &n, &text, &m);
    free(manifest);
    PyObject *fingerprint = take_text(text, m); /* owned */
    int rc = fingerprint ? PyModule_AddObjectRef(module, "layout_fingerprint", fingerprint) : -1;
    Py_DecRef(fingerprint);
    return rc;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, exec}, {0, NULL}};

/* CPython fills in the head and keeps it for the life of the process. */
static PyModuleDef definition = {
    .m_base = {.ob_base = {.ob_refcnt = 1}},
    .m_name = "_native",
    .m_doc = "The engine and the compiled steps.",
    .m_size = sizeof(levada_state),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = free_module,
};

__attribute__((visibility("default"))) PyObject *PyInit__native(void) {
    const char *missing = levada_missing_symbol();
    if (missing) {
        char text[200];
        /* What the message itself needs is older than what can be missing. */
        snprintf(text, sizeof text, "levada: this interpreter lacks %s; levada needs CPython 3.11 or later", missing);
        if (PyErr_SetString && &PyExc_ImportError) PyErr_SetString(PyExc_ImportError, text);
        return NULL;
    }
    if (Py_Version >> 16 < 0x030b) {
        import_error("levada: levada needs CPython 3.11 or later");
        return NULL;
    }
    if (check_interpreter() < 0) return NULL;
    return PyModuleDef_Init(&definition);
}
