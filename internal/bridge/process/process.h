/* The rules of a process that holds the Go runtime and CPython: fork, exit, one
 * extension. Included by the C files of the bridge (#cgo CFLAGS: -I${SRCDIR}/../process);
 * it declares nothing of Python, so that it fits beside any declaration of it.
 *
 * How it is used:
 *   module exec         if (levada_process_load() < 0) return -1;
 *   Python -> C entry   LEVADA_ENTRY(NULL);             the first statement
 *   lane, per crossing  if (levada_gate_enter() < 0) -> stop the lane, do not touch Python
 *                       ... PyEval_RestoreThread ... PyEval_SaveThread ...
 *                       levada_gate_leave();
 *   parked main thread  process.Park in Go
 */
#ifndef LEVADA_PROCESS_H
#define LEVADA_PROCESS_H

/* Not 0 in a child that was forked after the load: no thread of the Go runtime is
 * alive there, and a call into it may wait for ever. */
extern int levada_forked;

/* Sets the RuntimeError that LEVADA_ENTRY returns with. Needs the GIL. */
void levada_refuse_forked(void);

/* The first statement of every function that Python calls and that goes on to Go.
 * Not in deallocators: these run in a forked child too and must not fail. */
#define LEVADA_ENTRY(failed)                    \
    do {                                        \
        if (__builtin_expect(levada_forked, 0)) { \
            levada_refuse_forked();             \
            return (failed);                    \
        }                                       \
    } while (0)

/* To be called once by the module's exec slot, with the GIL: refuses a second Levada
 * extension, warns of a foreign Go runtime, registers the fork and exit hooks.
 * 0, or -1 with a Python exception set. Repeated calls do nothing. */
int levada_process_load(void);

/* The gate between lanes and a Python that finalizes. Enter before the thread takes
 * the GIL; 0: leave must follow once the GIL is given back; -1: Python is going away
 * and must not be touched any more. Neither needs the GIL, both are two atomic
 * operations. */
int levada_gate_enter(void);
void levada_gate_leave(void);
/* How many threads have entered and not left. */
int levada_gate_count(void);
/* Says that who is inside does not come out, which was told, and what the process ends
 * with when Python exits around it. */
void levada_gate_abandon(int code);

#endif
