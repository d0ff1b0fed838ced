/* What the bridge needs of CPython's stable ABI, declared by hand. No Python.h: one
 * build of this code serves every CPython from 3.11 on, and a machine without Python's
 * headers can build it.
 *
 * Every symbol is weak. In a Python process they bind to the interpreter that loaded
 * the extension; in a binary without Python they are NULL and nothing calls them. Those
 * in the lists below are compared with NULL before the first call (symbols.c).
 *
 * Of CPython's structures only those are declared here whose layout the stable ABI
 * fixes: PyObject, PyModuleDef, PyMethodDef, PyGetSetDef, PyType_Spec and their slots.
 */
#ifndef LEVADA_CAPI_H
#define LEVADA_CAPI_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef ssize_t Py_ssize_t;
typedef struct _typeobject PyTypeObject;
typedef struct _ts PyThreadState;
typedef struct _is PyInterpreterState;

typedef struct _object {
    Py_ssize_t ob_refcnt; /* never read nor written here: some objects are immortal */
    PyTypeObject *ob_type;
} PyObject;

/* The only place that looks into an object. */
static inline PyTypeObject *typeof_(const PyObject *o) { return o->ob_type; }

typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);
typedef PyObject *(*getter)(PyObject *, void *);
typedef int (*setter)(PyObject *, PyObject *, void *);
typedef PyObject *(*descrgetfunc)(PyObject *, PyObject *, PyObject *);
typedef int (*visitproc)(PyObject *, void *);
typedef int (*traverseproc)(PyObject *, visitproc, void *);
typedef int (*inquiry)(PyObject *);
typedef void (*freefunc)(void *);
typedef void (*destructor)(PyObject *);

typedef struct {
    const char *ml_name;
    PyCFunction ml_meth;
    int ml_flags;
    const char *ml_doc;
} PyMethodDef;

typedef struct {
    const char *name;
    getter get;
    setter set;
    const char *doc;
    void *closure;
} PyGetSetDef;

typedef struct {
    int slot;
    void *pfunc;
} PyType_Slot;

typedef struct {
    const char *name;
    int basicsize;
    int itemsize;
    unsigned int flags;
    PyType_Slot *slots;
} PyType_Spec;

typedef struct {
    int slot;
    void *value;
} PyModuleDef_Slot;

typedef struct {
    struct {
        PyObject ob_base;
        PyObject *(*m_init)(void);
        Py_ssize_t m_index;
        PyObject *m_copy;
    } m_base;
    const char *m_name;
    const char *m_doc;
    Py_ssize_t m_size;
    PyMethodDef *m_methods;
    PyModuleDef_Slot *m_slots;
    traverseproc m_traverse;
    inquiry m_clear;
    freefunc m_free;
} PyModuleDef;

enum { METH_VARARGS = 1, METH_KEYWORDS = 2, METH_NOARGS = 4, METH_O = 8 };

/* Slots of types and modules. */
enum {
    Py_tp_call = 50,
    Py_tp_clear = 51,
    Py_tp_dealloc = 52,
    Py_tp_descr_get = 54,
    Py_tp_doc = 56,
    Py_tp_getset = 73,
    Py_tp_methods = 64,
    Py_tp_new = 65,
    Py_tp_repr = 66,
    Py_tp_traverse = 71,
    Py_mod_exec = 2
};

/* Flags of types. */
enum {
    Py_TPFLAGS_IMMUTABLETYPE = 1 << 8,
    Py_TPFLAGS_HAVE_GC = 1 << 14,
    Py_TPFLAGS_DEFAULT = 0,
    Py_TPFLAGS_LONG_SUBCLASS = 1 << 24,
    Py_TPFLAGS_LIST_SUBCLASS = 1 << 25,
    Py_TPFLAGS_TUPLE_SUBCLASS = 1 << 26,
    Py_TPFLAGS_BYTES_SUBCLASS = 1 << 27,
    Py_TPFLAGS_UNICODE_SUBCLASS = 1 << 28,
    Py_TPFLAGS_DICT_SUBCLASS = 1 << 29
};

/* X(result, name, parameters) */
#define LEVADA_PYTHON_FUNCTIONS(X) \
    X(void, Py_IncRef, (PyObject *)) \
    X(void, Py_DecRef, (PyObject *)) \
    X(PyObject *, PyLong_FromLongLong, (long long)) \
    X(PyObject *, PyLong_FromUnsignedLongLong, (unsigned long long)) \
    X(long long, PyLong_AsLongLong, (PyObject *)) \
    X(long long, PyLong_AsLongLongAndOverflow, (PyObject *, int *)) \
    X(unsigned long long, PyLong_AsUnsignedLongLong, (PyObject *)) \
    X(double, PyLong_AsDouble, (PyObject *)) \
    X(PyObject *, PyFloat_FromDouble, (double)) \
    X(double, PyFloat_AsDouble, (PyObject *)) \
    X(PyObject *, PyUnicode_FromStringAndSize, (const char *, Py_ssize_t)) \
    X(PyObject *, PyUnicode_FromString, (const char *)) \
    X(PyObject *, PyUnicode_InternFromString, (const char *)) \
    X(void, PyUnicode_InternInPlace, (PyObject **)) \
    X(PyObject *, PyUnicode_DecodeUTF8, (const char *, Py_ssize_t, const char *)) \
    X(PyObject *, PyUnicode_AsEncodedString, (PyObject *, const char *, const char *)) \
    X(const char *, PyUnicode_AsUTF8AndSize, (PyObject *, Py_ssize_t *)) \
    X(int, PyUnicode_CompareWithASCIIString, (PyObject *, const char *)) \
    X(PyObject *, PyUnicode_Join, (PyObject *, PyObject *)) \
    X(PyObject *, PyBytes_FromStringAndSize, (const char *, Py_ssize_t)) \
    X(int, PyBytes_AsStringAndSize, (PyObject *, char **, Py_ssize_t *)) \
    X(PyObject *, PyList_New, (Py_ssize_t)) \
    X(Py_ssize_t, PyList_Size, (PyObject *)) \
    X(PyObject *, PyList_GetItem, (PyObject *, Py_ssize_t)) \
    X(int, PyList_SetItem, (PyObject *, Py_ssize_t, PyObject *)) \
    X(int, PyList_Append, (PyObject *, PyObject *)) \
    X(PyObject *, PyTuple_New, (Py_ssize_t)) \
    X(Py_ssize_t, PyTuple_Size, (PyObject *)) \
    X(PyObject *, PyTuple_GetItem, (PyObject *, Py_ssize_t)) \
    X(int, PyTuple_SetItem, (PyObject *, Py_ssize_t, PyObject *)) \
    X(PyObject *, PyDict_New, (void)) \
    X(PyObject *, PyDict_Copy, (PyObject *)) \
    X(Py_ssize_t, PyDict_Size, (PyObject *)) \
    X(PyObject *, PyDict_GetItemWithError, (PyObject *, PyObject *)) \
    X(int, PyDict_SetItem, (PyObject *, PyObject *, PyObject *)) \
    X(int, PyDict_DelItem, (PyObject *, PyObject *)) \
    X(int, PyDict_Next, (PyObject *, Py_ssize_t *, PyObject **, PyObject **)) \
    X(PyObject *, PyObject_GetIter, (PyObject *)) \
    X(PyObject *, PySequence_List, (PyObject *)) \
    X(PyObject *, PyNumber_Subtract, (PyObject *, PyObject *)) \
    X(PyObject *, PyNumber_FloorDivide, (PyObject *, PyObject *)) \
    X(PyObject *, PyNumber_Add, (PyObject *, PyObject *)) \
    X(PyObject *, PyNumber_Multiply, (PyObject *, PyObject *)) \
    X(int, PyObject_IsTrue, (PyObject *)) \
    X(PyObject *, PyObject_Str, (PyObject *)) \
    X(PyObject *, PyObject_Repr, (PyObject *)) \
    X(PyObject *, PyObject_GetAttr, (PyObject *, PyObject *)) \
    X(PyObject *, PyObject_GetAttrString, (PyObject *, const char *)) \
    X(int, PyObject_SetAttrString, (PyObject *, const char *, PyObject *)) \
    X(PyObject *, PyObject_CallObject, (PyObject *, PyObject *)) \
    X(PyObject *, PyObject_CallFunctionObjArgs, (PyObject *, ...)) \
    X(PyObject *, PyObject_Vectorcall, (PyObject *, PyObject *const *, size_t, PyObject *)) \
    X(int, PyCallable_Check, (PyObject *)) \
    X(int, PyGC_Disable, (void)) \
    X(int, PyGC_Enable, (void)) \
    X(void, PyObject_GC_UnTrack, (void *)) \
    X(void, PyObject_GC_Del, (void *)) \
    X(PyObject *, PyType_GenericAlloc, (PyTypeObject *, Py_ssize_t)) \
    X(PyObject *, PyType_FromModuleAndSpec, (PyObject *, PyType_Spec *, PyObject *)) \
    X(void *, PyType_GetModuleState, (PyTypeObject *)) \
    X(unsigned long, PyType_GetFlags, (PyTypeObject *)) \
    X(void *, PyType_GetSlot, (PyTypeObject *, int)) \
    X(int, PyType_IsSubtype, (PyTypeObject *, PyTypeObject *)) \
    X(PyObject *, PyType_GetName, (PyTypeObject *)) \
    X(PyObject *, PyModuleDef_Init, (PyModuleDef *)) \
    X(void *, PyModule_GetState, (PyObject *)) \
    X(int, PyModule_AddObjectRef, (PyObject *, const char *, PyObject *)) \
    X(PyObject *, PyImport_ImportModule, (const char *)) \
    X(void *, PyCapsule_Import, (const char *, int)) \
    X(PyObject *, PySys_GetObject, (const char *)) \
    X(PyInterpreterState *, PyInterpreterState_Get, (void)) \
    X(int64_t, PyInterpreterState_GetID, (PyInterpreterState *)) \
    X(int, PyGILState_Ensure, (void)) \
    X(PyThreadState *, PyEval_SaveThread, (void)) \
    X(void, PyEval_RestoreThread, (PyThreadState *)) \
    X(PyObject *, PyErr_NewException, (const char *, PyObject *, PyObject *)) \
    X(void, PyErr_SetString, (PyObject *, const char *)) \
    X(void, PyErr_SetObject, (PyObject *, PyObject *)) \
    X(PyObject *, PyErr_Occurred, (void)) \
    X(PyObject *, PyErr_NoMemory, (void)) \
    X(void, PyErr_Clear, (void)) \
    X(int, PyErr_ExceptionMatches, (PyObject *)) \
    X(int, PyErr_GivenExceptionMatches, (PyObject *, PyObject *)) \
    X(void, PyErr_Fetch, (PyObject **, PyObject **, PyObject **)) \
    X(void, PyErr_Restore, (PyObject *, PyObject *, PyObject *)) \
    X(void, PyErr_NormalizeException, (PyObject **, PyObject **, PyObject **)) \
    X(void, PyErr_WriteUnraisable, (PyObject *))

/* X(type, name) */
#define LEVADA_PYTHON_DATA(X) \
    X(PyObject, _Py_NoneStruct) \
    X(PyObject, _Py_TrueStruct) \
    X(PyObject, _Py_FalseStruct) \
    X(PyTypeObject, PyBool_Type) \
    X(PyTypeObject, PyFloat_Type) \
    X(PyTypeObject, PyLong_Type) \
    X(PyTypeObject, PyUnicode_Type) \
    X(PyTypeObject, PyDict_Type) \
    X(PyTypeObject, PyBaseObject_Type) \
    X(const unsigned long, Py_Version) \
    X(PyObject *, PyExc_AttributeError) \
    X(PyObject *, PyExc_ImportError) \
    X(PyObject *, PyExc_KeyboardInterrupt) \
    X(PyObject *, PyExc_MemoryError) \
    X(PyObject *, PyExc_OverflowError) \
    X(PyObject *, PyExc_RuntimeError) \
    X(PyObject *, PyExc_SystemExit) \
    X(PyObject *, PyExc_TypeError) \
    X(PyObject *, PyExc_ValueError)

#define LEVADA_WEAK __attribute__((weak))
#define LEVADA_DECLARE(result, name, parameters) extern LEVADA_WEAK result name parameters;
#define LEVADA_DECLARE_DATA(type, name) extern LEVADA_WEAK type name;
LEVADA_PYTHON_FUNCTIONS(LEVADA_DECLARE)
LEVADA_PYTHON_DATA(LEVADA_DECLARE_DATA)
#undef LEVADA_DECLARE
#undef LEVADA_DECLARE_DATA

#define Py_None (&_Py_NoneStruct)
#define Py_True (&_Py_TrueStruct)
#define Py_False (&_Py_FalseStruct)

/* Calls f with one argument. The entry in front of it is for f, which may use it while the
 * call lasts: so a bound method needs no copy of its arguments. Every CPython from 3.9 on
 * has the function, though it is in the stable ABI only since 3.12. */
static inline PyObject *call_one(PyObject *f, PyObject *arg) {
    PyObject *args[2] = {NULL, arg};
    return PyObject_Vectorcall(f, args + 1, 1 | (size_t)1 << (8 * sizeof(size_t) - 1), NULL);
}

/* A new reference to o. */
static inline PyObject *ref(PyObject *o) {
    Py_IncRef(o);
    return o;
}

/* flags_ are the bits by which the built-in types and their subclasses are told. */
static inline unsigned long flags_(PyObject *o) { return PyType_GetFlags(typeof_(o)); }

/* Nearly all are of the type itself, which costs no call. */
static inline int is_str(PyObject *o) { return typeof_(o) == &PyUnicode_Type || flags_(o) & Py_TPFLAGS_UNICODE_SUBCLASS; }
static inline int is_dict(PyObject *o) { return typeof_(o) == &PyDict_Type || flags_(o) & Py_TPFLAGS_DICT_SUBCLASS; }
/* bool is an int to Python and not to anyone else. */
static inline int is_int(PyObject *o) {
    return typeof_(o) == &PyLong_Type || (flags_(o) & Py_TPFLAGS_LONG_SUBCLASS && typeof_(o) != &PyBool_Type);
}

#endif
