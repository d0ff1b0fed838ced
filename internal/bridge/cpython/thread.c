#include <sys/prctl.h>

#include "native.h"
#include "process.h"

/* The Python thread state of this OS thread while it is not in Python. Kept for the
 * life of the thread: threading.local, database connections and the like hang on it. */
static __thread PyThreadState *kept;
static __thread char identity;

uintptr_t levada_thread(void) { return (uintptr_t)&identity; }

int levada_enter(void) {
    if (levada_forked || levada_gate_enter() < 0) return -1;
    if (kept) {
        PyEval_RestoreThread(kept);
    } else {
        PyGILState_Ensure(); /* never released: the state is kept */
    }
    return 0;
}

void levada_leave(void) {
    kept = PyEval_SaveThread();
    levada_gate_leave();
}

void levada_away_begin(levada_away *a) {
    a->outer = kept;
    kept = PyEval_SaveThread();
}

void levada_away_end(levada_away *a) {
    PyThreadState *own = kept;
    kept = a->outer; /* the state of a thread of Python's is not ours to keep */
    PyEval_RestoreThread(own);
}

int levada_thread_name(levada_state *st, const char *name) {
    prctl(PR_SET_NAME, name); /* cut to 15 bytes; pthread_setname_np would ask for a newer glibc */
    if (levada_enter() < 0) return -1;
    PyObject *thread = PyObject_CallObject(st->current_thread, NULL); /* owned */
    PyObject *text = PyUnicode_FromString(name);                      /* owned */
    if (!thread || !text || PyObject_SetAttrString(thread, "name", text) < 0) {
        PyErr_Clear(); /* a name is no reason to stop a lane */
    }
    Py_DecRef(text);
    Py_DecRef(thread);
    levada_leave();
    return 0;
}
