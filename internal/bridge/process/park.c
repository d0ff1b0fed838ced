#include "park.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Python only needs a callable: that its C handler then writes to the wake-up
 * descriptor is all that is wanted. */
static PyObject *ignore(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    Py_IncRef(&_Py_NoneStruct);
    return &_Py_NoneStruct;
}

static PyMethodDef ignore_def = {"levada_drain", ignore, METH_VARARGS, NULL};

/* call returns module.name(a[, b]), owned; it takes over the references to a and b,
 * which may be NULL after an error of their making. */
static PyObject *call(PyObject *module, const char *name, PyObject *a, PyObject *b, int n) {
    PyObject *fn = NULL, *args = NULL, *res = NULL;
    if (!a || (n == 2 && !b)) goto done;
    if (!(fn = PyObject_GetAttrString(module, name))) goto done;
    if (!(args = PyTuple_New(n))) goto done;
    Py_IncRef(a);
    if (PyTuple_SetItem(args, 0, a) < 0) goto done;
    if (n == 2) {
        Py_IncRef(b);
        if (PyTuple_SetItem(args, 1, b) < 0) goto done;
    }
    res = PyObject_CallObject(fn, args);
done:
    Py_DecRef(args);
    Py_DecRef(fn);
    Py_DecRef(b);
    Py_DecRef(a);
    return res;
}

int levada_signals_begin(struct levada_signals *s, int fd) {
    memset(s, 0, sizeof *s);
    PyObject *old = NULL, *now = NULL, *dfl = NULL, *fn = NULL, *res = NULL; /* all owned */
    int rc = -1;
    if (!(s->module = PyImport_ImportModule("signal"))) goto done;
    if (!(old = call(s->module, "set_wakeup_fd", PyLong_FromLong(fd), NULL, 1))) {
        if (!PyErr_ExceptionMatches(PyExc_ValueError)) goto done;
        PyErr_Clear(); /* not the main thread: another one has the signals */
        rc = 0;
        goto done;
    }
    s->old_fd = (int)PyLong_AsLong(old);
    s->installed = 1;
    /* Without a handler of Python's a SIGTERM kills the process. One that the program
     * has set stays, and still wakes us. */
    if (!(now = call(s->module, "getsignal", PyLong_FromLong(SIGTERM), NULL, 1))) goto done;
    if (!(dfl = PyObject_GetAttrString(s->module, "SIG_DFL"))) goto done;
    if (now == dfl) {
        if (!(fn = PyCFunction_NewEx(&ignore_def, NULL, NULL))) goto done;
        Py_IncRef(fn); /* call takes it over */
        if (!(res = call(s->module, "signal", PyLong_FromLong(SIGTERM), fn, 2))) goto done;
        s->old_term = now;
        now = NULL;
    }
    rc = 0;
done:
    Py_DecRef(res);
    Py_DecRef(fn);
    Py_DecRef(dfl);
    Py_DecRef(now);
    Py_DecRef(old);
    return rc;
}

int levada_signals_wait(int fd) {
    unsigned char b = 0;
    ssize_t n;
    PyThreadState *ts = PyEval_SaveThread();
    do {
        n = read(fd, &b, 1);
    } while (n < 0 && errno == EINTR);
    PyEval_RestoreThread(ts);
    return n == 1 ? b : -1;
}

int levada_signals_run(struct levada_signals *s) {
    if (!s->installed || PyErr_CheckSignals() == 0) return 0;
    if (PyErr_ExceptionMatches(PyExc_KeyboardInterrupt) || s->type) {
        PyErr_Clear(); /* the first exception is the one to report */
        return 0;
    }
    PyErr_Fetch(&s->type, &s->value, &s->traceback);
    return 1;
}

int levada_signals_end(struct levada_signals *s) {
    int rc = 0;
    if (s->installed) {
        levada_signals_run(s); /* what came last still belongs to us */
        PyObject *res = call(s->module, "set_wakeup_fd", PyLong_FromLong(s->old_fd), NULL, 1);
        if (!res) PyErr_Clear(); /* the old descriptor may have been closed meanwhile */
        Py_DecRef(res);
        if (s->old_term) {
            res = call(s->module, "signal", PyLong_FromLong(SIGTERM), s->old_term, 2);
            s->old_term = NULL; /* call took it over */
            if (!res) PyErr_Clear();
            Py_DecRef(res);
        }
    }
    Py_DecRef(s->module);
    s->module = NULL;
    if (s->type) {
        PyErr_Restore(s->type, s->value, s->traceback); /* takes over all three */
        s->type = s->value = s->traceback = NULL;
        rc = -1;
    }
    return rc;
}

/* A real-time signal that neither Go nor Python uses, away from the ends that programs
 * take. */
static int stacks_signal(void) { return SIGRTMAX - 5; }

void levada_stacks_begin(struct levada_stacks *s, int fd) {
    struct sigaction now;
    memset(s, 0, sizeof *s);
    s->fd = fd;
    s->signal = stacks_signal();
    s->thread = (unsigned long)pthread_self();
    if (sigaction(s->signal, NULL, &now) != 0 || now.sa_handler != SIG_DFL) return;
    if (!(s->module = PyImport_ImportModule("faulthandler"))) goto done;
    PyObject *res = call(s->module, "register", PyLong_FromLong(s->signal), PyLong_FromLong(fd), 2);
    s->ready = res != NULL;
    Py_DecRef(res);
done:
    PyErr_Clear();
}

void levada_stacks_dump(struct levada_stacks *s) {
    PyObject *res = call(s->module, "dump_traceback", PyLong_FromLong(s->fd), NULL, 1);
    Py_DecRef(res);
    PyErr_Clear();
}

void levada_stacks_force(struct levada_stacks *s) { pthread_kill((pthread_t)s->thread, s->signal); }

void levada_stacks_end(struct levada_stacks *s) {
    if (s->ready) Py_DecRef(call(s->module, "unregister", PyLong_FromLong(s->signal), NULL, 1));
    Py_DecRef(s->module);
    s->module = NULL;
    s->ready = 0;
    PyErr_Clear();
}
