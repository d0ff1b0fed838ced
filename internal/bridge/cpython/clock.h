/* Times: microseconds since the epoch, and aware datetimes. */
#ifndef LEVADA_CLOCK_H
#define LEVADA_CLOCK_H

#include "codec.h"

#pragma GCC visibility push(hidden)

/* The beginning of what the capsule datetime.datetime_CAPI holds. */
struct levada_clock {
    PyTypeObject *DateType, *DateTimeType, *TimeType, *DeltaType, *TZInfoType;
    PyObject *TimeZone_UTC;
    PyObject *(*Date_FromDate)(int, int, int, PyTypeObject *);
    PyObject *(*DateTime_FromDateAndTime)(int, int, int, int, int, int, int, PyObject *, PyTypeObject *);
    PyObject *(*Time_FromTime)(int, int, int, int, PyObject *, PyTypeObject *);
    PyObject *(*Delta_FromDelta)(int, int, int, int, PyTypeObject *);
};

/* Fills the parts of c that concern times. -1: exception set. */
int levada_clock_init(levada_codec *c);

/* An aware datetime in UTC. NULL: exception set. */
PyObject *levada_datetime(levada_codec *c, int64_t us);

/* A timedelta. NULL: exception set. */
PyObject *levada_timedelta(levada_codec *c, int64_t us);

int levada_is_timedelta(levada_codec *c, PyObject *v);

/* Microseconds of a timedelta. The caller owns v, whose class may be one of the user's.
 * -1: exception set, an OverflowError where they do not fit 64 bits. */
int levada_ticks(levada_codec *c, PyObject *v, int64_t *us);

int levada_is_datetime(levada_codec *c, PyObject *v);

/* Microseconds of an aware datetime. May run a tzinfo of the user: the caller owns v.
 * -1: exception set. */
int levada_micros(levada_codec *c, PyObject *v, int64_t *us);

#pragma GCC visibility pop

#endif
