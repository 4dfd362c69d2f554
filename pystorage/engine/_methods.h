/* The methods of the type `Cache`: arguments in, results and errors out.

   What a method does stands at its twin in `pystorage.engine._cache` and `_writing`. Those with an underscore
   are what a storage makes its own methods of: numbers and seconds that come to them were checked.

   Code of the user's runs in nearly all; none of these touches the table itself. */

#ifndef PYSTORAGE_METHODS_H
#define PYSTORAGE_METHODS_H

#include "_bulk.h"
#include "_plain.h"

#define SELF(object) ((Cache *)(object))

static inline PyObject *
truth(int done)
{
    return done < 0 ? NULL : PyBool_FromLong(done);
}

/* ------------------------------------------------------------------ arguments */

/* Read the arguments of a method that has `key`, and perhaps a default after it. */
static inline int
read_arguments(const char *method, PyObject *const *given, Py_ssize_t count, PyObject *names,
               const char *second, PyObject **key, PyObject **value)
{
    if (LIKELY(names == NULL && count >= 1 && count <= 2)) {
        *key = given[0];
        if (count == 2) {
            *value = given[1];
        }
        return 0;
    }
    *key = NULL;
    for (Py_ssize_t number = 0; number < count + (names ? PyTuple_GET_SIZE(names) : 0); number++) {
        PyObject *name = number < count ? NULL : PyTuple_GET_ITEM(names, number - count);
        if (name == NULL ? number == 0 : *key == NULL && PyUnicode_CompareWithASCIIString(name, "key") == 0) {
            *key = given[number];
        }
        else if (name == NULL ? number == 1
                              : count < 2 && PyUnicode_CompareWithASCIIString(name, second) == 0) {
            *value = given[number];
        }
        else if (name == NULL) {
            PyErr_Format(PyExc_TypeError, "%s() takes at most 2 arguments (%zd given)", method, count);
            return -1;
        }
        else {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", method, name);
            return -1;
        }
    }
    if (*key == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: 'key'", method);
        return -1;
    }
    return 0;
}

static int
is_function(const char *name, PyObject *given)
{
    if (given != NULL && !PyCallable_Check(given)) {
        PyErr_Format(PyExc_TypeError, "%s must be a function, not %.200s", name, Py_TYPE(given)->tp_name);
        return 0;
    }
    return 1;
}

static PyObject *
not_none(PyObject *given)
{
    return given == Py_None ? NULL : given;
}

/* Read seconds: None is for ever. */
static int
seconds_of(PyObject *given, void *seconds)
{
    *(double *)seconds = given == Py_None ? INFINITY : PyFloat_AsDouble(given);
    return *(double *)seconds == -1.0 && PyErr_Occurred() ? 0 : 1;
}

/* Read a limit; `shown` becomes a new reference, or NULL for None. */
static int
read_limit(PyObject *given, PyObject **shown, bool *limited, uint64_t *limit)
{
    *shown = NULL;
    *limited = false;
    *limit = 0;
    int overflow = 0;
    long long number = PyLong_CheckExact(given) ? PyLong_AsLongLongAndOverflow(given, &overflow) : -1;
    PyObject *checked = Py_NewRef(given);
    if (given != Py_None && number < 0) {
        Py_SETREF(checked, check("checked_maxsize", given, NULL, NULL));
        if (checked == NULL) {
            return -1;
        }
    }
    if (checked == Py_None) {
        Py_DECREF(checked);
        return 0;
    }
    number = PyLong_AsLongLongAndOverflow(checked, &overflow);
    *shown = checked;
    *limited = overflow == 0; /* no sum of weights comes near to what is beyond that */
    *limit = overflow ? 0 : (uint64_t)number;
    return 0;
}

/* Read the name of a policy; NULL is the first one. */
static int
read_policy(PyObject *given, enum policy *policy)
{
    *policy = LRU;
    if (given == NULL) {
        return 0;
    }
    PyObject *checked = check("checked_policy", given, NULL, NULL);
    if (checked == NULL) {
        return -1;
    }
    while (PyUnicode_CompareWithASCIIString(checked, POLICY_NAMES[*policy]) != 0) {
        ++*policy;
    }
    Py_DECREF(checked);
    return 0;
}

/* ------------------------------------------------------------------ slots */

static OUT_OF_LINE PyObject *
miss(PyObject *self, PyObject *key)
{
    State *state = state_of(Py_TYPE(self));
#if PY_VERSION_HEX >= 0x030D0000
    PyObject *missing = state == NULL ? NULL : _PyType_LookupRef(Py_TYPE(self), state->missing);
#else
    PyObject *missing = Py_XNewRef(state == NULL ? NULL : _PyType_Lookup(Py_TYPE(self), state->missing));
#endif
    if (missing == NULL) {
        return state == NULL ? NULL : key_error(key);
    }
    descrgetfunc bind = Py_TYPE(missing)->tp_descr_get;
    if (bind != NULL) {
        Py_SETREF(missing, bind(missing, self, (PyObject *)Py_TYPE(self)));
    }
    PyObject *value = missing == NULL ? NULL : PyObject_CallOneArg(missing, key);
    Py_XDECREF(missing);
    return value;
}

static OUT_OF_LINE PyObject *
subscript_otherwise(PyObject *self, PyObject *key, Py_hash_t hash, uint32_t place)
{
    PyObject *value = place == ABSENT ? NULL : read_key(SELF(self), key, hash);
    if (LIKELY(value != NULL) || PyErr_Occurred()) {
        return value;
    }
    return miss(self, key);
}

static PyObject *
cache_subscript(PyObject *self, PyObject *key)
{
    PyObject *value = NULL;
    Py_hash_t hash = hash_of(key);
    if (UNLIKELY(hash == -1)) {
        return NULL;
    }
    uint32_t place = read_quickly(SELF(self), key, hash, &value);
    return LIKELY(value != NULL) ? value : subscript_otherwise(self, key, hash, place);
}

static int
cache_ass_subscript(PyObject *self, PyObject *key, PyObject *value)
{
    if (LIKELY(value != NULL)) {
        return write_item(SELF(self), key, value) < 0 ? -1 : 0;
    }
    PyObject *taken = take_key(SELF(self), key);
    if (taken == NULL) {
        if (!PyErr_Occurred()) {
            key_error(key);
        }
        return -1;
    }
    Py_DECREF(taken);
    return 0;
}

static int
cache_contains(PyObject *self, PyObject *key)
{
    return look_at_key(SELF(self), key, NULL, NULL);
}

static Py_ssize_t
cache_length(PyObject *self)
{
    Py_ssize_t length;
    if (sweep(SELF(self)) < 0) {
        return -1;
    }
    /* While another thread writes there may be one more for a moment. */
    Py_BEGIN_CRITICAL_SECTION(self);
    length = (Py_ssize_t)SELF(self)->used;
    Py_END_CRITICAL_SECTION();
    return length;
}

static int
cache_bool(PyObject *self)
{
    Py_ssize_t length = cache_length(self);
    return length < 0 ? -1 : length > 0;
}

static PyObject *
iterate(PyObject *self, bool backwards)
{
    PyObject *keys = all_keys(SELF(self), backwards);
    PyObject *iterator = keys == NULL ? NULL : PyObject_GetIter(keys);
    Py_XDECREF(keys);
    return iterator;
}

static PyObject *
cache_iter(PyObject *self)
{
    return iterate(self, false);
}

/* ------------------------------------------------------------------ public methods */

static PyObject *
cache_get(PyObject *self, PyObject *const *given, Py_ssize_t count, PyObject *names)
{
    PyObject *key, *fallback = Py_None, *value = NULL;
    if (LIKELY(names == NULL && (count == 1 || count == 2))) {
        key = given[0];
        fallback = count == 1 ? Py_None : given[1];
    }
    else if (read_arguments("get", given, count, names, "default", &key, &fallback) < 0) {
        return NULL;
    }
    Py_hash_t hash = hash_of(key);
    if (UNLIKELY(hash == -1)) {
        return NULL;
    }
    uint32_t place = read_quickly(SELF(self), key, hash, &value);
    if (LIKELY(place != FAILED)) {
        return place != ABSENT ? value : Py_NewRef(fallback);
    }
    value = read_key(SELF(self), key, hash);
    return value != NULL || PyErr_Occurred() ? value : Py_NewRef(fallback);
}

static PyObject *
cache_peek(PyObject *self, PyObject *const *given, Py_ssize_t count, PyObject *names)
{
    PyObject *key, *fallback = Py_None, *value = NULL;
    if (read_arguments("peek", given, count, names, "default", &key, &fallback) < 0) {
        return NULL;
    }
    int found = look_at_key(SELF(self), key, &value, NULL);
    return found > 0 ? value : found < 0 ? NULL : Py_NewRef(fallback);
}

static PyObject *
cache_pop(PyObject *self, PyObject *const *given, Py_ssize_t count, PyObject *names)
{
    PyObject *key, *fallback = NULL;
    if (read_arguments("pop", given, count, names, "default", &key, &fallback) < 0) {
        return NULL;
    }
    PyObject *value = take_key(SELF(self), key);
    if (value != NULL || PyErr_Occurred()) {
        return value;
    }
    return fallback == NULL ? key_error(key) : Py_NewRef(fallback);
}

static PyObject *
cache_popitem(PyObject *self, PyObject *Py_UNUSED(none))
{
    return take_first(SELF(self));
}

static PyObject *
cache_clear(PyObject *self, PyObject *Py_UNUSED(none))
{
    return clear_all(SELF(self)) < 0 ? NULL : Py_NewRef(Py_None);
}

/* Give the bytes that the arrays take. */
static size_t
size_of_arrays(const Cache *self)
{
    size_t room = self->room, size = self->index == NULL ? 0 : sizeof(uint32_t) << self->bits;
    size += self->memory == NULL ? 0 : (room + 1) * sizeof(Entry);
    size += self->deadlines == NULL ? 0 : room * sizeof(Deadline);
    size += self->marks == NULL ? 0 : room * sizeof(uint8_t);
    size += self->weights == NULL ? 0 : room * sizeof(uint64_t);
    size += self->heap_room * sizeof(uint32_t);
    size += (size_t)self->ghost_buckets * WAYS * sizeof(uint32_t);
    return size + (size_t)self->sketch_blocks * BLOCK * sizeof(uint64_t);
}

static PyObject *
cache_resize(PyObject *object, PyObject *given, PyObject *named)
{
    static char *names[] = {"maxsize", NULL};
    Cache *self = SELF(object);
    PyObject *maxsize, *shown;
    bool limited;
    uint64_t limit;
    Now now;
    Dropped dropped = {0};
    if (!PyArg_ParseTupleAndKeywords(given, named, "O:resize", names, &maxsize) ||
        read_limit(maxsize, &shown, &limited, &limit) < 0) {
        return NULL;
    }
    if (ask_time(self, &now) < 0) {
        Py_XDECREF(shown);
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    Py_XSETREF(self->maxsize, shown); /* an int, whose end runs no code */
    self->slack = true;
    self->limited = limited;
    self->limit = limit;
    order_limit(self);
    note_plain(self);
    expire(self, &now, &dropped);
    make_room(self, 0, &now, &dropped);
    Py_END_CRITICAL_SECTION();
    shown = finished(self, &dropped, Py_NewRef(Py_None));
    if (self->slack) { /* nothing was dropped */
        give_back_now(self);
    }
    return shown;
}

static PyObject *
cache_sizeof(PyObject *object, PyObject *Py_UNUSED(none))
{
    Cache *self = SELF(object);
    size_t size = (size_t)Py_TYPE(object)->tp_basicsize;
    Py_BEGIN_CRITICAL_SECTION(self);
    size += size_of_arrays(self);
    Py_END_CRITICAL_SECTION();
    return PyLong_FromSize_t(size);
}

static PyObject *
cache_reversed(PyObject *self, PyObject *Py_UNUSED(none))
{
    return iterate(self, true);
}

/* ------------------------------------------------------------------ methods for subclasses */

static PyObject *
cache_write(PyObject *self, PyObject *given, PyObject *named)
{
    static char *names[] = {"key", "value", "seconds", "only_new", NULL};
    PyObject *key, *value;
    double seconds;
    int only_new = 0;
    if (!PyArg_ParseTupleAndKeywords(given, named, "OOO&|p:_write", names, &key, &value, seconds_of,
                                     &seconds, &only_new)) {
        return NULL;
    }
    return truth(write_key(SELF(self), key, value, seconds, only_new));
}

static PyObject *
cache_write_many(PyObject *self, PyObject *given)
{
    PyObject *pairs;
    double seconds;
    if (!PyArg_ParseTuple(given, "OO&:_write_many", &pairs, seconds_of, &seconds) ||
        write_pairs(SELF(self), pairs, seconds) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
cache_read_many(PyObject *self, PyObject *keys)
{
    return read_keys(SELF(self), keys);
}

static PyObject *
cache_delete_many(PyObject *self, PyObject *keys)
{
    Py_ssize_t removed = delete_keys(SELF(self), keys);
    return removed < 0 ? NULL : PyLong_FromSsize_t(removed);
}

static PyObject *
cache_swap(PyObject *self, PyObject *given, PyObject *named)
{
    static char *names[] = {"key", "old", "new", "seconds", "keep", NULL};
    PyObject *key, *old, *new;
    double seconds;
    int keep;
    if (!PyArg_ParseTupleAndKeywords(given, named, "OOOO&p:_swap", names, &key, &old, &new, seconds_of,
                                     &seconds, &keep)) {
        return NULL;
    }
    return truth(swap_key(SELF(self), key, old, new, seconds, keep));
}

static PyObject *
cache_incr(PyObject *self, PyObject *given)
{
    PyObject *key, *by;
    double seconds;
    if (!PyArg_ParseTuple(given, "OO!O&:_incr", &key, &PyLong_Type, &by, seconds_of, &seconds)) {
        return NULL;
    }
    return add_to_key(SELF(self), key, by, seconds);
}

static PyObject *
cache_redate(PyObject *self, PyObject *given, PyObject *named)
{
    static char *names[] = {"key", "seconds", "use", NULL};
    PyObject *key;
    double seconds;
    int use;
    if (!PyArg_ParseTupleAndKeywords(given, named, "OO&p:_redate", names, &key, seconds_of, &seconds,
                                     &use)) {
        return NULL;
    }
    return truth(redate_key(SELF(self), key, seconds, use));
}

static PyObject *
cache_expiry(PyObject *self, PyObject *key)
{
    double when = INFINITY;
    int found = look_at_key(SELF(self), key, NULL, &when);
    if (found <= 0) {
        return found < 0 ? NULL : key_error(key);
    }
    return when == INFINITY ? Py_NewRef(Py_None) : PyFloat_FromDouble(when);
}

static PyObject *
cache_sweep(PyObject *self, PyObject *Py_UNUSED(none))
{
    Py_ssize_t removed = sweep(SELF(self));
    return removed < 0 ? NULL : PyLong_FromSsize_t(removed);
}

static PyObject *
cache_figures(PyObject *object, PyObject *Py_UNUSED(none))
{
    Cache *self = SELF(object);
    unsigned long long hits, misses, sets, deletes, evictions, expirations;
    Py_BEGIN_CRITICAL_SECTION(self);
    hits = self->hits;
    misses = self->misses;
    sets = self->sets;
    deletes = self->deletes;
    evictions = self->evictions;
    expirations = self->expirations;
    Py_END_CRITICAL_SECTION();
    return Py_BuildValue("KKKKKK", hits, misses, sets, deletes, evictions, expirations);
}

static PyObject *
or_none(PyObject *object)
{
    return object == NULL ? Py_None : object;
}

/* Give a new reference to the timer; the caller sees to it that nobody changes it meanwhile. */
static PyObject *
timer_of(Cache *self)
{
    State *state = self->timer == NULL ? state_of(Py_TYPE(self)) : NULL;
    return Py_XNewRef(self->timer != NULL ? self->timer : state == NULL ? NULL : state->monotonic);
}

static PyObject *
cache_settings(PyObject *object, PyObject *Py_UNUSED(none))
{
    Cache *self = SELF(object);
    PyObject *settings;
    Py_BEGIN_CRITICAL_SECTION(self);
    settings = Py_BuildValue("{sOsssOsOsOsN}", "maxsize", or_none(self->maxsize), "policy",
                             POLICY_NAMES[self->policy], "ttl", or_none(self->life_given), "weigher",
                             or_none(self->weigher), "on_evict", or_none(self->on_evict), "timer",
                             timer_of(self));
    Py_END_CRITICAL_SECTION();
    return settings;
}

static PyObject *
cache_contents(PyObject *self, PyObject *Py_UNUSED(none))
{
    return contents_of(SELF(self));
}

static PyObject *
cache_fill(PyObject *self, PyObject *contents)
{
    PyObject *iterator = PyObject_GetIter(contents), *one;
    while (iterator != NULL && (one = PyIter_Next(iterator)) != NULL) {
        PyObject *parts = PySequence_Tuple(one), *key, *value;
        unsigned long long weight;
        double seconds;
        unsigned char mark;
        Py_DECREF(one);
        if (parts == NULL ||
            !PyArg_ParseTuple(parts, "OOKO&b:_fill", &key, &value, &weight, seconds_of, &seconds, &mark) ||
            fill_in(SELF(self), key, value, weight, seconds, mark) < 0) {
            Py_CLEAR(iterator);
        }
        Py_XDECREF(parts);
    }
    Py_XDECREF(iterator);
    return PyErr_Occurred() ? NULL : Py_NewRef(Py_None);
}

static PyObject *
cache_check(PyObject *self, PyObject *Py_UNUSED(none))
{
    const char *fault;
    Py_BEGIN_CRITICAL_SECTION(self);
    fault = fault_of(SELF(self));
    Py_END_CRITICAL_SECTION();
    if (fault != NULL) {
        PyErr_SetString(PyExc_AssertionError, fault);
        return NULL;
    }
    Py_RETURN_NONE;
}

#endif
