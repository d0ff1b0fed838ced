/* Frames in C: layouts with their interned keys, dicts built from frames, frames
 * written from dicts. Knows abi/levada.h and Python's objects, and neither Go nor
 * messages: the same files are tested alone, under ASan (python/tests/native). */
#ifndef LEVADA_CODEC_H
#define LEVADA_CODEC_H

#include "capi.h"
#include "levada.h"

#include <stdbool.h>

#pragma GCC visibility push(hidden)

/* Name of the first symbol that this process lacks; NULL: all are there. */
const char *levada_missing_symbol(void);

/* --- bytes ---------------------------------------------------------------------- */

typedef struct {
    uint8_t *p;
    size_t len, cap;
} levada_buf;

/* Makes room for n bytes more. -1: out of memory, no exception is set. */
int levada_buf_grow(levada_buf *b, size_t n);
void levada_buf_free(levada_buf *b);

static inline int buf_need(levada_buf *b, size_t n) {
    return __builtin_expect(b->cap - b->len >= n, 1) ? 0 : levada_buf_grow(b, n);
}

static inline void put32_at(levada_buf *b, size_t at, uint32_t v) { __builtin_memcpy(b->p + at, &v, 4); }

/* The caller has made room. */
static inline void put8(levada_buf *b, uint8_t v) { b->p[b->len++] = v; }
static inline void put32(levada_buf *b, uint32_t v) {
    __builtin_memcpy(b->p + b->len, &v, 4);
    b->len += 4;
}
static inline void put64(levada_buf *b, uint64_t v) {
    __builtin_memcpy(b->p + b->len, &v, 8);
    b->len += 8;
}

/* memcpy, which as a call costs more than to copy the few bytes of most strings: two moves
 * of fixed size that may overlap. */
static inline void copy_bytes(uint8_t *to, const uint8_t *from, size_t n) {
    if (n > 32) {
        __builtin_memcpy(to, from, n);
    } else if (n >= 16) {
        uint64_t w[4];
        __builtin_memcpy(w, from, 16);
        __builtin_memcpy(w + 2, from + n - 16, 16);
        __builtin_memcpy(to, w, 16);
        __builtin_memcpy(to + n - 16, w + 2, 16);
    } else if (n >= 8) {
        uint64_t first, last;
        __builtin_memcpy(&first, from, 8);
        __builtin_memcpy(&last, from + n - 8, 8);
        __builtin_memcpy(to, &first, 8);
        __builtin_memcpy(to + n - 8, &last, 8);
    } else if (n >= 4) {
        uint32_t first, last;
        __builtin_memcpy(&first, from, 4);
        __builtin_memcpy(&last, from + n - 4, 4);
        __builtin_memcpy(to, &first, 4);
        __builtin_memcpy(to + n - 4, &last, 4);
    } else if (n) {
        to[0] = from[0];
        to[n >> 1] = from[n >> 1];
        to[n - 1] = from[n - 1];
    }
}

/* A length and the bytes. -1: out of memory, or longer than 4 GiB. */
static inline int levada_put_bytes(levada_buf *b, const void *p, size_t n) {
    if (__builtin_expect(n > UINT32_MAX, 0) || buf_need(b, 4 + n) < 0) return -1;
    put32(b, (uint32_t)n);
    copy_bytes(b->p + b->len, p, n);
    b->len += n;
    return 0;
}

/* Bounds-checked reading: off <= n always holds. */
typedef struct {
    const uint8_t *p;
    uint64_t n, off;
} levada_in;

static inline const uint8_t *take(levada_in *in, uint64_t len) {
    if (__builtin_expect(len > in->n - in->off, 0)) return NULL;
    const uint8_t *p = in->p + in->off;
    in->off += len;
    return p;
}
static inline bool take8(levada_in *in, uint8_t *v) {
    const uint8_t *p = take(in, 1);
    if (!p) return false;
    *v = *p;
    return true;
}
static inline bool take32(levada_in *in, uint32_t *v) {
    const uint8_t *p = take(in, 4);
    if (!p) return false;
    __builtin_memcpy(v, p, 4);
    return true;
}
static inline bool take64(levada_in *in, uint64_t *v) {
    const uint8_t *p = take(in, 8);
    if (!p) return false;
    __builtin_memcpy(v, p, 8);
    return true;
}
/* A length and that many bytes. */
static inline const uint8_t *take_bytes(levada_in *in, uint32_t *len) {
    return take32(in, len) ? take(in, *len) : NULL;
}

/* --- layouts -------------------------------------------------------------------- */

typedef struct {
    PyObject *key; /* interned str, owned */
    uint32_t node;
    uint8_t flags;
} levada_field;

typedef struct {
    uint8_t kind, flags;
    uint32_t elem; /* of list and map */
    uint32_t nelems; /* of tuple and union */
    uint32_t nfields;
    uint32_t min; /* bytes of the smallest value with its presence byte */
    uint32_t *elems; /* owned */
    char *name; /* of a struct, owned */
    levada_field *fields;
    PyObject *template_; /* dict with every key of a struct and None, owned */
    uint8_t base; /* of a constant: the kind of its values */
    uint32_t nfixed;
    uint8_t *fixed; /* the constant as a frame has it, owned */
    PyObject *constant; /* and as Python has it, owned */
} levada_node;

typedef struct levada_layout {
    uint32_t n;
    levada_node *nodes; /* 0 is the root */
    struct levada_layout *next;
} levada_layout;

/* --- what is shared by all conversions of one interpreter --------------------------- */

/* The largest struct whose dict is not copied from a template: what the smallest dict of
 * CPython holds. */
enum { LEVADA_FEW = 5 };

enum { LEVADA_CACHE = 2048, LEVADA_CACHED = 28 };

typedef struct {
    uint64_t key[4]; /* the bytes, zero filled; the length in the last four */
    PyObject *str;   /* owned */
} levada_cached;

typedef struct levada_codec {
    levada_cached cache[LEVADA_CACHE];
    PyObject *datetime; /* datetime.datetime, owned */
    PyObject *epoch;    /* 1970-01-01T00:00:00+00:00, owned */
    PyObject *timedelta; /* datetime.timedelta, owned */
    PyObject *tick;     /* timedelta(microseconds=1), owned */
    PyObject *utc;      /* timezone.utc, owned */
    struct levada_clock *clock; /* the C API of datetime; NULL: not the known layout */
} levada_codec;

/* Needs the GIL, as does everything below. -1: exception set. */
int levada_codec_init(levada_codec *c);
int levada_codec_traverse(levada_codec *c, visitproc visit, void *arg);
void levada_codec_clear(levada_codec *c);

/* Reads the bytes form of a layout. NULL: exception set. */
levada_layout *levada_layout_read(const uint8_t *p, size_t n);
int levada_layout_traverse(levada_layout *l, visitproc visit, void *arg);
void levada_layout_free(levada_layout *l);

/* --- frame to Python ------------------------------------------------------------------ */

/* Builds the value of a frame; NULL: exception set. The frame must hold one value and
 * nothing after it. It must stay as it is until the call returns: building allocates,
 * and an allocation may run any Python code. */
PyObject *levada_build(levada_codec *c, const levada_layout *l, const uint8_t *p, size_t n);

/* A str of UTF-8 bytes, from the cache where short. */
PyObject *levada_str(levada_codec *c, const uint8_t *p, uint32_t n);

/* --- Python to frame ------------------------------------------------------------------ */

/* What does not fit, and where. */
typedef struct {
    char what[256];
    char path[512]; /* without the "$" in front */
    PyObject *type; /* exception class that fits; borrowed, lives for ever */
} levada_fault;

/* Appends the frame of a value to out, which is cut to its old length where the value
 * does not fit. -1: see fault; where what is empty, a Python exception is set (a tzinfo
 * of the user raised, or no memory). */
int levada_encode(levada_codec *c, const levada_layout *l, PyObject *v, levada_buf *out, levada_fault *fault);

/* The text of a fault: "expected `int`, got `str` - at `$.tags[2]`". */
void levada_fault_text(const levada_fault *fault, char *text, size_t size);

/* Name of the type of v for messages: "None" for None. Writes at most size bytes. */
void levada_type_name(PyObject *v, char *text, size_t size);

#pragma GCC visibility pop

#endif
