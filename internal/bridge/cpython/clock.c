#include "clock.h"

#include <string.h>

/* Times. datetime is no part of the stable ABI: its C API comes as a capsule, whose
 * layout has been the same since 3.7 and is checked here against the module's own
 * attributes. Where it does not fit, datetimes are made by plain arithmetic. */

static PyObject *attr(PyObject *o, const char *name) { return o ? PyObject_GetAttrString(o, name) : NULL; }

int levada_clock_init(levada_codec *c) {
    PyObject *module = NULL, *timezone = NULL; /* owned */
    PyObject *one = NULL, *zero = NULL, *stamp = NULL;
    int rc = -1;
    if (!(module = PyImport_ImportModule("datetime"))) goto done;
    if (!(c->datetime = attr(module, "datetime"))) goto done;
    if (!(timezone = attr(module, "timezone"))) goto done;
    if (!(c->timedelta = attr(module, "timedelta"))) goto done;
    if (!(c->utc = attr(timezone, "utc"))) goto done;
    /* tick = timedelta(0, 0, 1) */
    if (!(zero = PyLong_FromLongLong(0)) || !(one = PyLong_FromLongLong(1))) goto done;
    if (!(c->tick = PyObject_CallFunctionObjArgs(c->timedelta, zero, zero, one, NULL))) goto done;
    /* epoch = datetime.fromtimestamp(0, utc) */
    if (!(stamp = attr(c->datetime, "fromtimestamp"))) goto done;
    if (!(c->epoch = PyObject_CallFunctionObjArgs(stamp, zero, c->utc, NULL))) goto done;
    c->clock = PyCapsule_Import("datetime.datetime_CAPI", 0);
    if (!c->clock) {
        PyErr_Clear();
    } else if (c->clock->DateTimeType != (PyTypeObject *)c->datetime || c->clock->DeltaType != (PyTypeObject *)c->timedelta ||
               c->clock->TimeZone_UTC != c->utc || !c->clock->DateTime_FromDateAndTime || !c->clock->Delta_FromDelta) {
        c->clock = NULL;
    }
    rc = 0;
done:
    Py_DecRef(stamp);
    Py_DecRef(one);
    Py_DecRef(zero);
    Py_DecRef(timezone);
    Py_DecRef(module);
    return rc;
}

/* By arithmetic: epoch + tick * us. */
static PyObject *plain(levada_codec *c, int64_t us) {
    PyObject *n = NULL, *delta = NULL, *when = NULL; /* owned */
    if ((n = PyLong_FromLongLong(us)) && (delta = PyNumber_Multiply(c->tick, n))) when = PyNumber_Add(c->epoch, delta);
    Py_DecRef(delta);
    Py_DecRef(n);
    return when;
}

enum { DAY = 86400 };

PyObject *levada_datetime(levada_codec *c, int64_t us) {
    /* Years 1 to 9999, as datetime has them. */
    if (us < -62135596800000000 || us > 253402300799999999) {
        PyErr_SetString(PyExc_OverflowError, "expected a time from year 1 to 9999");
        return NULL;
    }
    if (!c->clock) return plain(c, us);
    int64_t s = us / 1000000, frac = us % 1000000;
    if (frac < 0) {
        frac += 1000000;
        s--;
    }
    int64_t day = s / DAY, sec = s % DAY;
    if (sec < 0) {
        sec += DAY;
        day--;
    }
    /* The civil date of a day: years begin in March here, so that the leap day is the
     * last; 400 years are 146097 days. */
    int64_t z = day + 719468;
    int64_t era = z / 146097; /* z > 0 from year 1 on */
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int d = (int)(doy - (153 * mp + 2) / 5 + 1);
    int m = (int)(mp < 10 ? mp + 3 : mp - 9);
    int y = (int)(yoe + era * 400 + (m <= 2));
    return c->clock->DateTime_FromDateAndTime(y, m, d, (int)(sec / 3600), (int)(sec / 60 % 60), (int)(sec % 60), (int)frac,
                                              c->utc, c->clock->DateTimeType);
}

PyObject *levada_timedelta(levada_codec *c, int64_t us) {
    if (!c->clock) {
        PyObject *n = PyLong_FromLongLong(us); /* owned */
        PyObject *delta = n ? PyNumber_Multiply(c->tick, n) : NULL;
        Py_DecRef(n);
        return delta;
    }
    int64_t day = us / (DAY * INT64_C(1000000)), rest = us % (DAY * INT64_C(1000000));
    if (rest < 0) { /* days carry the sign alone */
        rest += DAY * INT64_C(1000000);
        day--;
    }
    return c->clock->Delta_FromDelta((int)day, (int)(rest / 1000000), (int)(rest % 1000000), 0, c->clock->DeltaType);
}

int levada_is_timedelta(levada_codec *c, PyObject *v) {
    PyTypeObject *t = (PyTypeObject *)c->timedelta;
    return typeof_(v) == t || PyType_IsSubtype(typeof_(v), t);
}

int levada_ticks(levada_codec *c, PyObject *v, int64_t *us) {
    PyObject *n = PyNumber_FloorDivide(v, c->tick); /* owned */
    if (!n) return -1;
    *us = PyLong_AsLongLong(n);
    Py_DecRef(n);
    return *us == -1 && PyErr_Occurred() ? -1 : 0;
}

int levada_is_datetime(levada_codec *c, PyObject *v) {
    PyTypeObject *t = (PyTypeObject *)c->datetime;
    return typeof_(v) == t || PyType_IsSubtype(typeof_(v), t);
}

int levada_micros(levada_codec *c, PyObject *v, int64_t *us) {
    /* (v - epoch) // tick: right for every time zone, and a naive one is refused. */
    PyObject *delta = PyNumber_Subtract(v, c->epoch);
    if (!delta) return -1;
    int rc = levada_ticks(c, delta, us);
    Py_DecRef(delta);
    return rc;
}
