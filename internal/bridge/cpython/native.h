/* The native module: its state, messages, crossings, and what it asks of Go. */
#ifndef LEVADA_NATIVE_H
#define LEVADA_NATIVE_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* Attributes of a message, in the order of its constructor. */
enum { M_PAYLOAD, M_KEY, M_HEADERS, M_TIMESTAMP, M_TOPIC, M_PARTITION, M_OFFSET, M_SLOTS };

/* One per module object, in the module's memory: nothing of Python is in a static. */
typedef struct levada_state {
    levada_codec codec;
    PyTypeObject *message_type;   /* owned */
    PyTypeObject *function_type;  /* owned */
    PyObject *names[M_SLOTS];     /* interned attribute names, owned */
    PyObject *slots[2];           /* what levada.Message stores: "_payload", "_meta"; owned */
    PyObject *package;            /* "levada", owned */
    PyObject *public_message;     /* class levada.Message, owned; NULL: not importable or not looked up */
    PyObject *members[2];         /* its descriptors of slots, owned */
    descrgetfunc member_get;      /* of both; NULL: they are no usual ones, and slots is looked up */
    PyObject *go_error;           /* class levada.errors.GoError or our own, owned; NULL: not looked up */
    PyObject *format;             /* traceback.format_exception, owned; NULL: not needed yet */
    PyObject *current_thread;     /* threading.current_thread, owned */
    PyObject *empty;              /* "", owned */
    levada_layout *layouts;       /* every layout, until the state goes */
    levada_buf spare;             /* arguments and results of a call into Go; taken out while one runs */
    levada_layout *bytes;         /* nullable bytes; one of layouts */
    levada_layout *any;           /* one of layouts */
} levada_state;

/* --- counters ------------------------------------------------------------------------- */

/* Counted per chunk, read by counters(). Process-wide: numbers, no objects. */
#define LEVADA_COUNTERS(X) \
    X(crossings) X(gil_acquisitions) X(conversions) X(python_calls) X(call_ins) X(gil_wait_ns) X(gil_hold_ns)

typedef struct {
#define X(name) uint64_t name;
    LEVADA_COUNTERS(X)
#undef X
} levada_counters;

extern levada_counters levada_count;
#define LEVADA_ADD(name, n) __atomic_add_fetch(&levada_count.name, (uint64_t)(n), __ATOMIC_RELAXED)

/* --- threads ---------------------------------------------------------------------------- */

/* Takes the GIL with the thread state that this OS thread has kept, so that
 * threading.local and everything bound to a thread survives from chunk to chunk. -1:
 * Python is going away, or this is a forked child; nothing of Python may be touched. */
int levada_enter(void);
void levada_leave(void);

/* Names the calling thread, for Python and for the system. */
int levada_thread_name(levada_state *st, const char *name);

/* Gives the GIL away for a call into Go, and takes it back. */
typedef struct {
    PyThreadState *outer;
} levada_away;
void levada_away_begin(levada_away *a);
void levada_away_end(levada_away *a);

/* --- crossings ---------------------------------------------------------------------------- */

enum levada_source { LEVADA_FRAMES, LEVADA_OBJECTS };

/* Low bits of a word of an objects column; objects are aligned to 16. A list word has
 * the number of its elements above the bits, and their words follow. */
enum { LEVADA_WORD = 7, LEVADA_WORD_LIST = 1, LEVADA_WORD_SHARED = 2 };

/* How results leave a crossing. */
enum levada_form {
    LEVADA_KEEP,    /* filters only: which elements are kept */
    LEVADA_RAW,     /* presence byte and bytes */
    LEVADA_FRAME,   /* frame of the layout out */
    LEVADA_HANDLES, /* the objects */
    LEVADA_ROUTE    /* frame of any: a str, int or bool */
};

enum levada_call_kind { LEVADA_CALL_MAP, LEVADA_CALL_FILTER, LEVADA_CALL_FLAT_MAP };

enum { LEVADA_MAX_CALLS = 64 };

typedef struct {
    uintptr_t function; /* callable, owned by whoever made the crossing */
    int kind;
} levada_step;

/* What levada_cross_run ended with. */
enum levada_end {
    LEVADA_DONE = 0,    /* all elements */
    LEVADA_PAUSED = 1,  /* the time of one crossing is over: call again */
    LEVADA_STOPPED = 2, /* a step raised KeyboardInterrupt or SystemExit: the last error */
    LEVADA_CLOSED = 3   /* Python is going away */
};

/* Where a crossing is. */
enum levada_where {
    LEVADA_OUTSIDE, /* does not run */
    LEVADA_WAITING, /* wants the GIL */
    LEVADA_INSIDE   /* has it, or has given it away itself */
};

/* A column of frames, in memory that Go keeps pinned while the crossing lasts. */
typedef struct {
    const uint8_t *p; /* the offset table; NULL: not encoded yet */
    const uint8_t *values;
    uint64_t len; /* of values */
} levada_column;

/* One operator's way over the border: made once per operator and lane, used for one
 * chunk after the other. Go sets the first part, C the second. */
typedef struct levada_cross {
    levada_state *state;
    uintptr_t host; /* names the Go side for callbacks */
    uint32_t nsteps;
    levada_step steps[LEVADA_MAX_CALLS];
    int form;
    const levada_layout *out_layout;

    /* per chunk */
    uint32_t n;
    int source;
    const levada_layout *layout; /* of the payload frames */
    levada_column columns[2];    /* payload, metadata; encoded when first touched */
    const uintptr_t *objects;    /* LEVADA_OBJECTS: words, see LEVADA_WORD; borrowed from the column */
    const uint32_t *at;          /* first word of each element; NULL: one word per element */
    const uintptr_t *release;    /* references to give up, owned */
    uint32_t nrelease;
    int cancel; /* atomic: stop between two messages */

    /* atomic, for whoever watches from another thread */
    int where;          /* enum levada_where */
    uint32_t step;      /* that was called last */
    uint64_t os_thread; /* of the last run, as threading.get_ident() has it */

    uint32_t next;      /* first element that was not processed; atomic to read while a run lasts */
    uintptr_t thread;   /* who runs it */
    uint32_t nout;      /* results */
    levada_buf out;     /* values */
    levada_buf offsets; /* u32 per result: where it ends in out */
    levada_buf from;    /* u32 per result: its element */
    levada_buf handles; /* uintptr per result, owned references */
    levada_buf deltas;  /* u32 result, then metadata as in frame.md */
    uint32_t ndeltas;
    levada_buf errors;  /* u32 element, u32 step, then type, message, traceback */
    uint32_t nerrors;
    uint64_t conversions, calls;
} levada_cross;

/* Begins another chunk: forgets the results of the last one. Needs no GIL; handles
 * that nobody took are dropped at the next run. */
void levada_cross_reset(levada_cross *cx);
/* Runs until the end, the clock cap or cancel. One GIL acquisition. */
int levada_cross_run(levada_cross *cx);
void levada_cross_free(levada_cross *cx);
/* Sets or clears cancel, from any thread. */
void levada_cross_cancel(levada_cross *cx, bool v);

/* How far a crossing is. */
typedef struct {
    int where;
    uint32_t next, step;
    uint64_t os_thread;
} levada_progress;

/* From any thread, until the crossing is freed. */
void levada_cross_progress(const levada_cross *cx, levada_progress *p);

/* The bytes of element i of a column, encoding the column at the first touch. -1:
 * exception set. */
int levada_cross_bytes(levada_cross *cx, int column, uint32_t i, const uint8_t **p, size_t *n);

/* The object of element i of LEVADA_OBJECTS, a new reference: a list is built, and what
 * another branch holds too is copied. NULL: exception set. */
PyObject *levada_cross_object(levada_cross *cx, uint32_t i);

/* The identity of the calling thread. */
uintptr_t levada_thread(void);

/* --- messages ------------------------------------------------------------------------------- */

/* Invariant: a slot that is NULL can be made from bytes: own[..] where set, else from
 * the crossing. */
typedef struct levada_message {
    PyObject ob_base;
    PyObject *slot[M_SLOTS]; /* owned; NULL: not converted yet */
    levada_cross *cx;        /* NULL: left the crossing */
    levada_state *state;     /* lives as long as the type */
    const levada_layout *layout;
    uint32_t index;
    bool changed; /* a step has set key or headers */
    bool *gone;   /* set when the object dies */
    struct {
        uint8_t *p; /* malloc; lives until the object dies */
        size_t n;
    } own[2]; /* payload, metadata: copied out of the crossing's frames */
} levada_message;

extern PyType_Spec levada_message_spec;

/* A message of element i, nothing converted. */
levada_message *levada_message_new(levada_cross *cx, uint32_t i);
/* An attribute, converted at the first touch; a new reference. */
PyObject *levada_message_get(levada_message *m, int slot);
/* Gives up the reference to m. Where somebody keeps the message, its bytes are copied
 * out of the frames first. */
void levada_message_drop(levada_message *m);

bool levada_is_message(levada_state *st, PyObject *v);

/* Looks up levada.Message; not finding it is no error. */
void levada_find_public(levada_state *st);

/* An attribute of a message of any class, a new reference. Those of levada.Message
 * itself are read where it stores them: its properties are Python functions, whose calls
 * would cost more than the payload. NULL: exception set. */
PyObject *levada_attribute(levada_state *st, PyObject *msg, int slot);
/* What an attribute is where nothing was said, a new reference. */
PyObject *levada_unsaid(levada_state *st, int slot);
/* The payload of a levada.Message that says nothing else, a new reference. NULL: not
 * such a message; no exception is set. */
PyObject *levada_only_payload(levada_state *st, PyObject *msg);

/* Appends the metadata form of frame.md with key and headers. -1: see fault, or an
 * exception is set. */
int levada_put_meta(levada_buf *out, PyObject *key, PyObject *headers, levada_fault *fault);
/* The same with all attributes, given in the order of the slots. */
int levada_put_all_meta(levada_buf *out, PyObject **attributes, levada_fault *fault);
/* Whether attributes from M_KEY on say nothing at all. */
bool levada_plain_meta(PyObject *const *attributes);
/* Appends the metadata of a message that says nothing. -1: out of memory. */
int levada_put_no_meta(levada_buf *out);

/* One attribute of a metadata value; M_KEY and the following. NULL: exception set. */
PyObject *levada_get_meta(levada_state *st, const uint8_t *p, size_t n, int slot);

/* --- functions: Python calls Go ----------------------------------------------------------------- */

extern PyType_Spec levada_function_spec;

/* A batch on its way into Go and back; lives on the caller's stack. */
typedef struct {
    const uint8_t *in; /* payload column */
    size_t in_len;
    const uint8_t *meta; /* metadata column; NULL: none of the messages has any */
    size_t meta_len;
    uint32_t n;
    uint8_t *scratch; /* room for results, of the caller; may be where the arguments are */
    size_t scratch_cap;
    /* results, in malloc memory that the caller frees; out may be scratch */
    uint8_t *out;
    size_t out_len;
    uint8_t *out_meta; /* of a function that returns messages */
    size_t out_meta_len;
    uint32_t *from; /* of an iterator: element of each result */
    uint32_t nout;
    int64_t failed; /* element that failed; -1: none; -2: the call itself */
    char *text;     /* why */
    size_t text_len;
    char *note; /* stack of a panic; NULL: none */
    size_t note_len;
} levada_callin;

/* What Go tells about a function; layouts are in malloc memory that the caller frees. */
typedef struct {
    uintptr_t handle;
    uint8_t *in, *out;
    size_t in_len, out_len;
    int seq, meta;
    char *error; /* malloc */
    size_t error_len;
} levada_function_info;

/* A verb on its way into Go. Strings are borrowed from Python objects that the caller
 * owns; lists of strings are u32 count, then per string u32 length and bytes. */
typedef struct {
    const uint8_t *argv;
    size_t argv_len;
    const char *plan;
    size_t plan_len;
    const char *manifest;
    size_t manifest_len;
    const uint8_t *names; /* of the functions */
    size_t names_len;
    const uintptr_t *functions; /* callables, in the order of names; borrowed */
} levada_main_call;

/* Raises GoError. index < 0: no index; note may be NULL. */
void levada_raise_go(levada_state *st, const char *text, size_t n, int64_t index, const char *note, size_t note_len);

/* Adds a layout to the state. NULL: exception set. */
levada_layout *levada_add_layout(levada_state *st, const uint8_t *p, size_t n);

/* Raises what a fault says; prefix stands in front. */
void levada_raise_fault(const levada_fault *fault, const char *prefix);

#pragma GCC visibility pop

/* --- what Go asks of the module; all take the GIL themselves --------------------------------------- */

levada_cross *levada_cross_new(levada_state *st, uintptr_t host);
levada_layout *levada_layout_new(levada_state *st, const uint8_t *p, size_t n);
/* Gives up references. -1: Python is going away. */
int levada_release(const uintptr_t *handles, uint32_t n);
void levada_read_counters(levada_counters *c);

#endif
