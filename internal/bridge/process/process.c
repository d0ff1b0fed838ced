#define _GNU_SOURCE
#include "process.h"

#include <link.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cpython.h"

/* --- which Go runtimes are in this process ------------------------------------- */

/* Marks the object that this is linked into, for the walk below in the next one. A
 * note needs no symbol lookup and survives strip. */
__asm__(".pushsection .note.levada,\"a\",%note\n"
        ".balign 4\n"
        ".long 7\n"           /* size of the name */
        ".long 4\n"           /* size of the value */
        ".long 1\n"           /* type */
        ".asciz \"Levada\"\n"
        ".balign 4\n"
        ".long 1\n"           /* value: 1 */
        ".popsection\n");

struct runtimes {
    char levada[512];  /* path of another Levada extension */
    char foreign[512]; /* path of another Go runtime */
};

static int has_note(struct dl_phdr_info *info, const char *name, size_t size) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_NOTE) continue;
        const char *p = (const char *)(info->dlpi_addr + ph->p_vaddr);
        uint64_t n = ph->p_memsz, off = 0;
        uint64_t align = ph->p_align == 8 ? 7 : 3;
        while (off <= n && sizeof(ElfW(Nhdr)) <= n - off) {
            const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)(p + off);
            off += sizeof *note;
            if (note->n_namesz > n - off) break;
            if (note->n_namesz == size && memcmp(p + off, name, size) == 0) return 1;
            off += ((uint64_t)note->n_namesz + align) & ~align;
            off += ((uint64_t)note->n_descsz + align) & ~align;
        }
    }
    return 0;
}

static int is_self(struct dl_phdr_info *info) {
    uintptr_t here = (uintptr_t)&levada_forked;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *ph = &info->dlpi_phdr[i];
        if (ph->p_type != PT_LOAD) continue;
        uintptr_t from = info->dlpi_addr + ph->p_vaddr;
        if (here >= from && here - from < ph->p_memsz) return 1;
    }
    return 0;
}

static int visit(struct dl_phdr_info *info, size_t size, void *data) {
    struct runtimes *r = data;
    (void)size;
    if (is_self(info)) return 0;
    if (has_note(info, "Levada", 7)) {
        snprintf(r->levada, sizeof r->levada, "%s", info->dlpi_name);
    } else if (has_note(info, "Go\0", 4)) {
        snprintf(r->foreign, sizeof r->foreign, "%s", info->dlpi_name);
    }
    return 0;
}

static int check_runtimes(void) {
    struct runtimes r = {{0}, {0}};
    char text[1400];
    dl_iterate_phdr(visit, &r);
    if (r.levada[0]) {
        snprintf(text, sizeof text,
                 "levada: one process can hold one Levada extension, and %s is loaded already\n"
                 "hint: put the Go steps of both packages into one package and build one wheel",
                 r.levada);
        PyErr_SetString(PyExc_ImportError, text);
        return -1;
    }
    if (r.foreign[0]) {
        snprintf(text, sizeof text,
                 "levada: %s brought another Go runtime into this process; two of them disturb "
                 "each other's scheduling (a step that computes long may stall garbage collection)",
                 r.foreign);
        return PyErr_WarnEx(PyExc_RuntimeWarning, text, 1);
    }
    return 0;
}

/* --- fork ----------------------------------------------------------------------- */

int levada_forked;

static void in_child(void) { levada_forked = 1; }

void levada_refuse_forked(void) {
    PyErr_SetString(PyExc_RuntimeError,
                    "levada: this process was forked after the extension was loaded, and the Go "
                    "runtime does not survive a fork\n"
                    "hint: multiprocessing.set_start_method(\"spawn\"), or use levada in the child only");
}

/* --- exit ----------------------------------------------------------------------- */

enum { EXIT_WAIT_MS = 5000, EXIT_STUCK = 70 };

static int gate_closed;
static int gate_inside;
static int gate_abandoned; /* exit code; 0: not */

/* Sequentially consistent on both sides: either the lane sees the closed gate, or
 * close_gate sees the lane inside. */
int levada_gate_enter(void) {
    __atomic_add_fetch(&gate_inside, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&gate_closed, __ATOMIC_SEQ_CST)) return 0;
    __atomic_sub_fetch(&gate_inside, 1, __ATOMIC_SEQ_CST);
    return -1;
}

void levada_gate_leave(void) { __atomic_sub_fetch(&gate_inside, 1, __ATOMIC_SEQ_CST); }

int levada_gate_count(void) { return __atomic_load_n(&gate_inside, __ATOMIC_SEQ_CST); }

void levada_gate_abandon(int code) { __atomic_store_n(&gate_abandoned, code, __ATOMIC_SEQ_CST); }

/* close_gate is an atexit function of Python: afterwards no lane takes the GIL. The
 * one inside needs the GIL to come out, so it is given away meanwhile. */
static PyObject *close_gate(PyObject *self, PyObject *args) {
    (void)self;
    (void)args;
    __atomic_store_n(&gate_closed, 1, __ATOMIC_SEQ_CST);
    if (!levada_forked && __atomic_load_n(&gate_inside, __ATOMIC_SEQ_CST) > 0) {
        int code = __atomic_load_n(&gate_abandoned, __ATOMIC_SEQ_CST);
        if (code) _exit(code); /* what there was to say was said */
        PyThreadState *ts = PyEval_SaveThread();
        struct timespec tick = {0, 1000000};
        for (int ms = 0; __atomic_load_n(&gate_inside, __ATOMIC_SEQ_CST) > 0; ms++) {
            if (ms >= EXIT_WAIT_MS) {
                static const char text[] =
                    "levada: Python exits, and a step did not return within 5 s; what it held is not committed\n";
                ssize_t n = write(2, text, sizeof text - 1);
                (void)n;
                _exit(EXIT_STUCK);
            }
            nanosleep(&tick, NULL);
        }
        PyEval_RestoreThread(ts);
    }
    Py_IncRef(&_Py_NoneStruct);
    return &_Py_NoneStruct;
}

static PyMethodDef close_gate_def = {"levada_close_gate", close_gate, METH_NOARGS, NULL};

static int register_exit(void) {
    int rc = -1;
    PyObject *atexit = NULL, *reg = NULL, *fn = NULL, *args = NULL, *res = NULL; /* all owned */
    if (!(atexit = PyImport_ImportModule("atexit"))) goto done;
    if (!(reg = PyObject_GetAttrString(atexit, "register"))) goto done;
    if (!(fn = PyCFunction_NewEx(&close_gate_def, NULL, NULL))) goto done;
    if (!(args = PyTuple_New(1))) goto done;
    Py_IncRef(fn); /* the tuple takes one reference, even where SetItem fails */
    if (PyTuple_SetItem(args, 0, fn) < 0) goto done;
    if (!(res = PyObject_CallObject(reg, args))) goto done;
    rc = 0;
done:
    Py_DecRef(res);
    Py_DecRef(args);
    Py_DecRef(fn);
    Py_DecRef(reg);
    Py_DecRef(atexit);
    return rc;
}

/* --- load ----------------------------------------------------------------------- */

int levada_process_load(void) {
    static int loaded; /* written with the GIL held */
    LEVADA_ENTRY(-1);
    if (loaded) return 0;
    if (check_runtimes() < 0) return -1;
    if (register_exit() < 0) return -1;
    if (pthread_atfork(NULL, NULL, in_child) != 0) {
        PyErr_SetString(PyExc_ImportError, "levada: pthread_atfork: out of memory");
        return -1;
    }
    loaded = 1;
    return 0;
}
