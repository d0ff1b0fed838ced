/* What this package needs of the stable ABI, declared by hand and weak: the same
 * package links into a binary without Python. */
#ifndef LEVADA_PROCESS_CPYTHON_H
#define LEVADA_PROCESS_CPYTHON_H

#include <stddef.h>

typedef struct _object PyObject;
typedef struct _ts PyThreadState;
typedef PyObject *(*PyCFunction)(PyObject *, PyObject *);

typedef struct {
    const char *ml_name;
    PyCFunction ml_meth;
    int ml_flags;
    const char *ml_doc;
} PyMethodDef;

enum { METH_VARARGS = 1, METH_NOARGS = 4 };

#define WEAK __attribute__((weak))

extern WEAK PyObject _Py_NoneStruct;
extern WEAK PyObject *PyExc_ImportError, *PyExc_RuntimeError, *PyExc_RuntimeWarning,
    *PyExc_KeyboardInterrupt, *PyExc_ValueError;

extern WEAK void Py_IncRef(PyObject *);
extern WEAK void Py_DecRef(PyObject *);

extern WEAK void PyErr_SetString(PyObject *, const char *);
extern WEAK int PyErr_WarnEx(PyObject *, const char *, ptrdiff_t);
extern WEAK int PyErr_ExceptionMatches(PyObject *);
extern WEAK void PyErr_Clear(void);
extern WEAK void PyErr_Fetch(PyObject **, PyObject **, PyObject **);
extern WEAK void PyErr_Restore(PyObject *, PyObject *, PyObject *);
extern WEAK int PyErr_CheckSignals(void);

extern WEAK PyObject *PyImport_ImportModule(const char *);
extern WEAK PyObject *PyObject_GetAttrString(PyObject *, const char *);
extern WEAK PyObject *PyObject_CallObject(PyObject *, PyObject *);
extern WEAK PyObject *PyCFunction_NewEx(PyMethodDef *, PyObject *, PyObject *);
extern WEAK PyObject *PyTuple_New(ptrdiff_t);
extern WEAK int PyTuple_SetItem(PyObject *, ptrdiff_t, PyObject *);
extern WEAK PyObject *PyLong_FromLong(long);
extern WEAK long PyLong_AsLong(PyObject *);

extern WEAK PyThreadState *PyEval_SaveThread(void);
extern WEAK void PyEval_RestoreThread(PyThreadState *);

#endif
