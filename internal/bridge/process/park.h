/* The main thread while it waits for a pipeline: between process.Park (Go) and Python's
 * signal module. Every function needs the GIL. */
#ifndef LEVADA_PROCESS_PARK_H
#define LEVADA_PROCESS_PARK_H

#include "cpython.h"

struct levada_signals {
    int installed;       /* 0: not the main thread, Python's handlers can not run here */
    int old_fd;          /* wake-up descriptor of before; -1: none */
    PyObject *module;    /* signal, owned */
    PyObject *old_term;  /* handler of SIGTERM of before, owned; NULL: was kept */
    PyObject *type, *value, *traceback; /* exception that a handler raised, owned */
};

/* Makes every signal that Python handles write its number to fd, and SIGTERM one that
 * Python handles. 0, or -1 with an exception set. */
int levada_signals_begin(struct levada_signals *s, int fd);

/* Waits, without the GIL, for a byte of fd and returns it; -1: the writer is gone. */
int levada_signals_wait(int fd);

/* Runs the Python handlers of the signals that came. A KeyboardInterrupt is what the
 * caller knows already; any other exception is kept in s and 1 is returned. */
int levada_signals_run(struct levada_signals *s);

/* Puts back what begin changed. -1: an exception is set, which a handler raised. */
int levada_signals_end(struct levada_signals *s);

/* --- stacks of Python's threads ------------------------------------------------------
 *
 * Two ways, since both fit where the other one does not. With the GIL the threads stand
 * still while their frames are read. Where nobody can have it, whoever keeps it is in C,
 * and no frame changes either: then a signal handler of faulthandler reads them, which
 * asks for nothing. */
struct levada_stacks {
    int ready;          /* 0: this Python has no faulthandler, or the signal is taken */
    int fd;             /* where stacks are written */
    int signal;
    unsigned long thread; /* pthread_t of whoever began */
    PyObject *module;   /* faulthandler, owned */
};

/* Prepares to write to fd, on the calling thread. Needs the GIL; leaves no exception. */
void levada_stacks_begin(struct levada_stacks *s, int fd);
/* Writes the stacks of all threads. Needs the GIL; leaves no exception. */
void levada_stacks_dump(struct levada_stacks *s);
/* Has the thread that began write them, wherever it is. Needs nothing. */
void levada_stacks_force(struct levada_stacks *s);
/* Needs the GIL; leaves no exception. */
void levada_stacks_end(struct levada_stacks *s);

#endif
