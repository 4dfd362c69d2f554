/* The code of the user's that a cache calls: its timer, its weigher, and `on_evict`.

   Each is called before an operation touches the table, or after all is done. What an operation drops stays
   at its place, out of the table, in a chain of its own (`Dropped`): that needs no memory, so it cannot fail.
   `finish` then tells `on_evict` of each, frees the place, and lets go of key and value last.

   Code of the user's runs in `times`, `ask_time`, `weigh` and `finish`: callers look up after the former, and
   touch nothing after the latter. */

#ifndef PYSTORAGE_CALLBACKS_H
#define PYSTORAGE_CALLBACKS_H

#include "_shrink.h"

#if PY_VERSION_HEX < 0x030D0000
#define Py_BEGIN_CRITICAL_SECTION(object) { (void)(object);
#define Py_END_CRITICAL_SECTION() }
#define Py_BEGIN_CRITICAL_SECTION2(one, other) { (void)(one); (void)(other);
#define Py_END_CRITICAL_SECTION2() }
#endif

enum cause { EVICTED, EXPIRED, REPLACED, DELETED, CLEARED, CAUSES };

typedef struct {
    PyTypeObject *cache_type;
    PyTypeObject *call_type;
    PyTypeObject *function_type;
    PyTypeObject *front_type;
    PyObject *monotonic; /* time.monotonic, which is read without a call */
    PyObject *missing;   /* "__missing__" */
    PyObject *causes[CAUSES];
} State;

static struct PyModuleDef engine_module;

static State *
state_of(PyTypeObject *type)
{
    PyObject *module = PyType_GetModuleByDef(type, &engine_module);
    return module == NULL ? NULL : PyModule_GetState(module);
}

/* ------------------------------------------------------------------ errors */

/* Take the error that is set, if there is one. */
static PyObject *
take_error(void)
{
#if PY_VERSION_HEX >= 0x030C0000
    return PyErr_GetRaisedException();
#else
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    if (type == NULL) {
        return NULL;
    }
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback != NULL) {
        (void)PyException_SetTraceback(error, traceback);
    }
    Py_DECREF(type);
    Py_XDECREF(traceback);
    return error;
#endif
}

static void
set_error(PyObject *error)
{
#if PY_VERSION_HEX >= 0x030C0000
    PyErr_SetRaisedException(error);
#else
    PyErr_Restore(Py_NewRef(Py_TYPE(error)), error, PyException_GetTraceback(error));
#endif
}

static PyObject *
key_error(PyObject *key)
{
    /* A tuple that is set as the value would be taken for the arguments. */
    PyObject *error = PyObject_CallOneArg(PyExc_KeyError, key);
    if (error != NULL) {
        set_error(error);
    }
    return NULL;
}

/* Call a function of `pystorage.engine._checks`, which holds what is checked or worded for both engines. */
static PyObject *
check(const char *name, PyObject *one, PyObject *two, PyObject *three)
{
    PyObject *module = PyImport_ImportModule("pystorage.engine._checks");
    /* One and the same name each time: CPython keeps those that it looked up. */
    PyObject *interned = module == NULL ? NULL : PyUnicode_InternFromString(name);
    PyObject *function = interned == NULL ? NULL : PyObject_GetAttr(module, interned);
    PyObject *result = function == NULL ? NULL : PyObject_CallFunctionObjArgs(function, one, two, three, NULL);
    Py_XDECREF(function);
    Py_XDECREF(interned);
    Py_XDECREF(module);
    return result;
}

/* Set the error that a function of `_checks` gives. */
static void
refuse(const char *name, PyObject *one, PyObject *two, PyObject *three)
{
    PyObject *error = check(name, one, two, three);
    if (error != NULL) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
}

/* Give a new reference to a setting, which another thread may change meanwhile; NULL where it is none. */
static inline PyObject *
held(Cache *self, PyObject **setting)
{
    PyObject *object;
    (void)self; /* where there is the interpreter's lock */
    Py_BEGIN_CRITICAL_SECTION(self);
    object = Py_XNewRef(*setting);
    Py_END_CRITICAL_SECTION();
    return object;
}

/* ------------------------------------------------------------------ time */

static OUT_OF_LINE int
call_timer(Cache *self, double *time)
{
    PyObject *timer = held(self, &self->timer);
    if (timer == NULL) { /* made anew a moment ago */
        *time = monotonic();
        return 0;
    }
    PyObject *given = PyObject_CallNoArgs(timer);
    Py_DECREF(timer);
    if (given == NULL) {
        return -1;
    }
    *time = PyFloat_AsDouble(given);
    Py_DECREF(given);
    return *time == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* Begin an operation: ask for the time if anything may expire. The monotonic clock is read when needed. */
static inline int
ask_time(Cache *self, Now *now)
{
    now->known = false;
    if (LIKELY(self->timer == NULL)) {
        return 0;
    }
    now->known = true;
    now->value = -INFINITY;
    return has_deadlines(self) ? call_timer(self, &now->value) : 0;
}

/* Begin an operation: the time, and the deadline of what lives for some seconds, INFINITY being for ever. */
static inline int
times(Cache *self, double seconds, Now *now, double *when)
{
    *when = INFINITY;
    if (seconds == INFINITY) {
        return ask_time(self, now);
    }
    now->known = true;
    if (LIKELY(self->timer == NULL)) {
        now->value = monotonic();
    }
    else if (call_timer(self, &now->value) < 0) {
        return -1;
    }
    *when = now->value + seconds;
    return 0;
}

/* ------------------------------------------------------------------ weight */

static OUT_OF_LINE int
weigh_by_asking(Cache *self, PyObject *key, PyObject *value, uint64_t *weight)
{
    PyObject *given, *weigher = held(self, &self->weigher);
    if (weigher == NULL) {
        given = PyLong_FromLong(1);
    }
    else {
        given = PyObject_CallFunctionObjArgs(weigher, key, value, NULL);
        Py_DECREF(weigher);
        if (given != NULL && !PyLong_CheckExact(given)) {
            Py_SETREF(given, check("checked_weight", given, NULL, NULL));
        }
    }
    if (given == NULL) {
        return -1;
    }
    int overflow;
    long long number = PyLong_AsLongLongAndOverflow(given, &overflow);
    if (overflow < 0 || (overflow == 0 && number < 0)) {
        Py_SETREF(given, check("checked_weight", given, NULL, NULL)); /* which refuses it */
    }
    else if (self->limited && (overflow > 0 || (uint64_t)number > self->limit || self->limit == 0)) {
        refuse("refusal", (PyObject *)self, key, given);
    }
    else if (overflow > 0) {
        refuse("beyond_measure", (PyObject *)self, key, NULL);
    }
    else {
        *weight = (uint64_t)number;
        Py_DECREF(given);
        return 0;
    }
    Py_XDECREF(given);
    return -1;
}

/* Give the weight of an entry, if it may be written. */
static inline int
weigh(Cache *self, PyObject *key, PyObject *value, uint64_t *weight)
{
    if (LIKELY(self->weigher == NULL && !(self->limited && self->limit == 0))) {
        *weight = 1;
        return 0;
    }
    return weigh_by_asking(self, key, value, weight);
}

/* ------------------------------------------------------------------ what was dropped */

/* What an operation took out of the table, the first one first. */
typedef struct {
    uint32_t first;
    uint32_t last;
    PyObject *old; /* a value that was replaced, of which nobody is to be told */
} Dropped;

static inline void
drop(Cache *self, Dropped *dropped, uint32_t place, enum cause cause)
{
    Entry *entries = self->entries;
    entries[place].prev = (uint32_t)cause;
    entries[place].next = 0;
    if (dropped->first == 0) {
        dropped->first = place;
    }
    else {
        entries[dropped->last].next = place;
    }
    dropped->last = place;
}

/* Free the place of the first entry that was dropped and is still there; its key and value are now the caller's.
   Other threads may be at work in the table again, so this too is a change of its own. */
static inline void
next_dropped(Cache *self, Dropped *dropped, PyObject **key, PyObject **value, uint32_t *cause)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    uint32_t place = dropped->first;
    Entry *entry = &self->entries[place];
    *key = entry->key;
    *value = entry->value;
    *cause = entry->prev;
    dropped->first = entry->next;
    free_place(self, place);
    Py_END_CRITICAL_SECTION();
}

static void
note_error(PyObject **errors)
{
    PyObject *error = take_error();
    if (*errors == NULL) {
        *errors = PyList_New(0);
    }
    if (*errors == NULL || PyList_Append(*errors, error) < 0) {
        PyErr_WriteUnraisable(error); /* no memory to keep it */
    }
    Py_DECREF(error);
}

static void
raise_errors(PyObject *errors, PyObject *before)
{
    PyObject *error;
    if (PyList_GET_SIZE(errors) == 1) {
        error = Py_NewRef(PyList_GET_ITEM(errors, 0));
    }
    else {
        PyObject *message = PyUnicode_FromFormat("on_evict raised %zd errors", PyList_GET_SIZE(errors));
        error = message ? PyObject_CallFunctionObjArgs(PyExc_BaseExceptionGroup, message, errors, NULL) : NULL;
        Py_XDECREF(message);
        if (error == NULL) {
            error = take_error();
        }
    }
    if (before != NULL && before != error) {
        PyException_SetContext(error, Py_NewRef(before));
    }
    set_error(error);
}

/* Give back what an operation before this one could not, as places were held. */
static OUT_OF_LINE void
give_back_now(Cache *self)
{
    Py_BEGIN_CRITICAL_SECTION(self);
    give_back(self);
    Py_END_CRITICAL_SECTION();
}

/* What `finish` does where `on_evict` is to be called, or an error may be set. */
static OUT_OF_LINE int
tell(Cache *self, Dropped *dropped)
{
    PyObject *before = take_error(), *errors = NULL;
    PyObject *on_evict = held(self, &self->on_evict);
    State *state = on_evict == NULL ? NULL : state_of(Py_TYPE(self));
    while (dropped->first != 0) {
        PyObject *key, *value;
        uint32_t cause;
        next_dropped(self, dropped, &key, &value, &cause);
        if (on_evict != NULL) {
            PyObject *arguments[] = {NULL, key, value, state->causes[cause]};
            PyObject *result =
                PyObject_Vectorcall(on_evict, arguments + 1, 3 | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
            if (result == NULL) {
                note_error(&errors);
            }
            Py_XDECREF(result);
        }
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_XDECREF(dropped->old);
    Py_XDECREF(on_evict);
    if (errors != NULL) {
        raise_errors(errors, before);
        Py_DECREF(errors);
        Py_XDECREF(before);
        return -1;
    }
    if (before != NULL) {
        set_error(before);
    }
    return 0;
}

/* Let go of what was dropped where nobody is to be told and no error is set. */
static inline void
let_all_go(Cache *self, Dropped *dropped)
{
    while (dropped->first != 0) {
        PyObject *key, *value;
        uint32_t cause;
        next_dropped(self, dropped, &key, &value, &cause);
        Py_DECREF(key);
        Py_DECREF(value);
    }
    Py_XDECREF(dropped->old);
}

/* End an operation: tell of what it dropped and let go of that; -1 if a callback raised. An error that is
   already set (`failed`) stays set, or becomes the context of the callback's. */
static inline int
finish(Cache *self, Dropped *dropped, bool failed)
{
    if (dropped->first == 0 && dropped->old == NULL) {
        return 0;
    }
    int done = 0;
    if (LIKELY(!failed && (self->on_evict == NULL || dropped->first == 0))) {
        let_all_go(self, dropped);
    }
    else {
        done = tell(self, dropped);
    }
    if (UNLIKELY(self->slack)) {
        give_back_now(self);
    }
    return done;
}

/* The same, where there is a result or an error that is set. */
static inline PyObject *
finished(Cache *self, Dropped *dropped, PyObject *result)
{
    if (finish(self, dropped, result == NULL) < 0) {
        Py_CLEAR(result);
    }
    return result;
}

#endif
