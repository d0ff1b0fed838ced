/* The constants of abi/frame.md, for every reader and writer in C. */
#ifndef LEVADA_H
#define LEVADA_H

/* Version of the frame: layouts, values, columns and metadata. */
#define LEVADA_ABI_VERSION 2

/* Kinds of a layout node. */
enum levada_kind {
    LEVADA_BOOL = 0,
    LEVADA_INT8 = 1,
    LEVADA_INT16 = 2,
    LEVADA_INT32 = 3,
    LEVADA_INT64 = 4,
    LEVADA_UINT8 = 5,
    LEVADA_UINT16 = 6,
    LEVADA_UINT32 = 7,
    LEVADA_UINT64 = 8,
    LEVADA_FLOAT32 = 9,
    LEVADA_FLOAT64 = 10,
    LEVADA_STRING = 11,
    LEVADA_BYTES = 12,
    LEVADA_TIME = 13,
    LEVADA_LIST = 14,
    LEVADA_MAP = 15,
    LEVADA_STRUCT = 16,
    LEVADA_ANY = 17,
    LEVADA_DURATION = 18,
    LEVADA_TUPLE = 19,
    LEVADA_UNION = 20,
    LEVADA_CONST = 21
};

/* Flags of a layout node, and of a field. */
enum { LEVADA_NULLABLE = 1, LEVADA_EXTRA = 2 };
enum { LEVADA_OPTIONAL = 1 };

/* Presence byte in front of a nullable value or an optional field. */
enum { LEVADA_NULL = 0, LEVADA_PRESENT = 1, LEVADA_ABSENT = 2 };

/* Tags of any. */
enum levada_tag {
    LEVADA_TAG_NULL = 0,
    LEVADA_TAG_FALSE = 1,
    LEVADA_TAG_TRUE = 2,
    LEVADA_TAG_INT = 3,
    LEVADA_TAG_UINT = 4, /* only above 2^63-1 */
    LEVADA_TAG_FLOAT = 5,
    LEVADA_TAG_STRING = 6,
    LEVADA_TAG_BYTES = 7,
    LEVADA_TAG_LIST = 8,
    LEVADA_TAG_MAP = 9,
    LEVADA_TAG_TIME = 10,
    LEVADA_TAG_DURATION = 11
};

/* How deep lists, maps and structs may be nested, the root counted. */
enum { LEVADA_MAX_DEPTH = 10000 };

#endif
