#include <pthread.h>
#include <stdint.h>
#include <unistd.h>

#include "cpython.h"
#include "process.h"

typedef struct {
    intptr_t refcnt;
    void *type;
} Object;

typedef struct {
    Object base;
    void *init;
    intptr_t index;
    void *copy;
    const char *name, *doc;
    intptr_t size;
    PyMethodDef *methods;
    void *slots, *traverse, *clear, *free;
} ModuleDef;

extern WEAK PyObject *PyModule_Create2(ModuleDef *, int);
extern WEAK PyObject *PyErr_Occurred(void);
extern int levadaTestPark(int);

static PyObject *park(PyObject *self, PyObject *arg) {
    (void)self;
    LEVADA_ENTRY(NULL);
    int code = levadaTestPark((int)PyLong_AsLong(arg));
    return PyErr_Occurred() ? NULL : PyLong_FromLong(code);
}

static int inside;

static void *hold(void *ms) {
    if (levada_gate_enter() < 0) return NULL;
    __atomic_store_n(&inside, 1, __ATOMIC_SEQ_CST);
    usleep((useconds_t)(uintptr_t)ms * 1000);
    levada_gate_leave();
    return NULL;
}

/* hold(ms): a lane that is inside a crossing for so long. */
static PyObject *start_hold(PyObject *self, PyObject *arg) {
    (void)self;
    pthread_t t;
    pthread_create(&t, NULL, hold, (void *)(uintptr_t)PyLong_AsLong(arg));
    pthread_detach(t);
    while (!__atomic_load_n(&inside, __ATOMIC_SEQ_CST)) usleep(100);
    return PyLong_FromLong(0);
}

enum { METH_O = 8 };

static PyMethodDef methods[] = {
    {"park", park, METH_O, NULL},
    {"hold", start_hold, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static ModuleDef module = {.base = {1, NULL}, .name = "parktest", .size = -1, .methods = methods};

__attribute__((visibility("default"))) PyObject *PyInit_parktest(void) {
    if (levada_process_load() < 0) return NULL;
    return PyModule_Create2(&module, 3);
}
