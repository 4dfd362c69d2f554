/* The type `Front`: what `pystorage.engine._front.Front` does, in C, and shortcuts.

   The key of a call is the same each time where its arguments are plain: exactly str, bytes, int, float, bool,
   None, or tuples of these. So it is remembered for as long as the call is among the recent ones (`calls`, whose
   values are the keys), and with it (`places`) the place of its result in a cache of the engine (`results`). So a hit
   is one lookup, of the call itself. A place is looked at, and is right where the very key lies there; else the key
   is looked up. What the two do not know goes to `_given`. Recent is by SIEVE, to which a use is one mark.

   Here arguments are equal where their types are, too, at every depth: that is more than what any key tells
   apart, and runs no code of theirs. Large ones are not remembered, so that a shortcut stays short.

   Code of the user's runs in `_call_key` and `_given`, in the timer of `results`, and in its lookup where it
   holds keys that are no str. */

#ifndef PYSTORAGE_FRONT_H
#define PYSTORAGE_FRONT_H

#include "_function.h"

#define MAX_LENGTH 256 /* of a str or bytes */
#define MAX_ITEMS 16   /* of a tuple */
#define MAX_DEPTH 4

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Cache *calls; /* NULL where nothing is remembered; keys are those of calls, and values exactly str */
    Cache *results; /* NULL where they are elsewhere */
    uint32_t *places; /* by the place of a call: where its result was last found, or ABSENT */
    uint32_t room;    /* of those */
    unsigned long long quick_hits;
    PyTypeObject *call_type;
} Front;

/* ------------------------------------------------------------------ plain arguments */

static OUT_OF_LINE bool
is_plain_otherwise(PyObject *argument, int depth)
{
    if (PyUnicode_CheckExact(argument)) {
        return PyUnicode_GET_LENGTH(argument) <= MAX_LENGTH;
    }
    if (PyLong_CheckExact(argument)) {
        int overflow = 0;
        (void)PyLong_AsLongLongAndOverflow(argument, &overflow);
        return overflow == 0;
    }
    if (PyBytes_CheckExact(argument)) {
        return PyBytes_GET_SIZE(argument) <= MAX_LENGTH;
    }
    if (PyTuple_CheckExact(argument)) {
        Py_ssize_t size = PyTuple_GET_SIZE(argument);
        bool plain = size <= MAX_ITEMS && depth < MAX_DEPTH;
        for (Py_ssize_t at = 0; plain && at < size; at++) {
            plain = is_plain_otherwise(PyTuple_GET_ITEM(argument, at), depth + 1);
        }
        return plain;
    }
    return argument == Py_None || PyBool_Check(argument) || PyFloat_CheckExact(argument);
}

static inline bool
is_plain(PyObject *argument)
{
    return (PyUnicode_CheckExact(argument) && PyUnicode_GET_LENGTH(argument) <= MAX_LENGTH) ||
           (PyLong_CheckExact(argument) && IS_SMALL(argument)) || is_plain_otherwise(argument, 0);
}

static OUT_OF_LINE bool
is_same_otherwise(PyObject *known, PyObject *given)
{
    if (known == given) {
        return true;
    }
    if (Py_TYPE(known) != Py_TYPE(given)) {
        return false;
    }
    if (PyTuple_CheckExact(known)) {
        Py_ssize_t size = PyTuple_GET_SIZE(known);
        bool same = size == PyTuple_GET_SIZE(given);
        for (Py_ssize_t at = 0; same && at < size; at++) {
            same = is_same_otherwise(PyTuple_GET_ITEM(known, at), PyTuple_GET_ITEM(given, at));
        }
        return same;
    }
    int same = quickly_same(known, given);
    return (same < 0 ? PyObject_RichCompareBool(known, given, Py_EQ) : same) == 1;
}

/* Say whether two plain arguments are the same. */
static inline bool
is_same(PyObject *known, PyObject *given)
{
    return known == given || is_same_otherwise(known, given);
}

static inline bool
is_same_call(const Call *known, const Asked *asked)
{
    if (Py_SIZE(known) != asked->count || (known->names == NULL) != (asked->names == NULL) ||
        (known->names != asked->names && !is_same(known->names, asked->names))) {
        return false;
    }
    for (Py_ssize_t at = 0; at < asked->count; at++) {
        if (!is_same(known->items[at], asked->args[at])) {
            return false;
        }
    }
    return true;
}

/* Say what is looked for, if that is plain. */
static inline bool
ask_plainly(Asked *asked, PyObject *const *args, size_t flags, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t count = PyVectorcall_NARGS(flags) + named;
    for (Py_ssize_t at = 0; at < count; at++) {
        if (!is_plain(args[at])) {
            return false;
        }
    }
    for (Py_ssize_t at = 0; at < named; at++) {
        if (!PyUnicode_CheckExact(PyTuple_GET_ITEM(names, at))) {
            return false;
        }
    }
    return ask(asked, args, flags, names, false) == 0;
}

static inline uint32_t
find_plainly(Cache *cache, const Asked *asked, PyTypeObject *type)
{
    if (asked->key != NULL) {
        return find(cache, asked->key, asked->hash);
    }
    if (UNLIKELY(cache->used == 0)) {
        return ABSENT;
    }
    uint32_t bits = cache->bits, mix = mixed(asked->hash), mask = (1u << bits) - 1, tag = tag_of(mix, bits);
    for (uint32_t at = home_of(mix, bits);; at = (at + 1) & mask) {
        uint32_t slot = cache->index[at];
        if (slot == 0) {
            return ABSENT;
        }
        uint32_t place = slot ^ tag;
        if (place <= mask && cache->entries[place].hash == asked->hash &&
            Py_TYPE(cache->entries[place].key) == type &&
            is_same_call((Call *)cache->entries[place].key, asked)) {
            return place;
        }
    }
}

/* ------------------------------------------------------------------ what is known */

/* A call that is remembered. */
typedef struct {
    PyObject *key; /* a reference; NULL where nothing is known */
    uint32_t call; /* its place among the calls */
    uint32_t place; /* where its result was last found, or ABSENT */
} Known;

/* Say what is known of a call. */
static inline Known
what_is_known(Front *self, const Asked *asked)
{
    Cache *calls = self->calls;
    Known known = {.key = NULL};
    Py_BEGIN_CRITICAL_SECTION(calls);
    uint32_t call = find_plainly(calls, asked, self->call_type);
    if (LIKELY(call != ABSENT && call != FAILED)) {
        order_use(calls, call);
        known.key = Py_NewRef(calls->entries[call].value);
        known.call = call;
        known.place = LIKELY(call < self->room) ? self->places[call] : ABSENT;
    }
    Py_END_CRITICAL_SECTION();
    return known;
}

/* See to it that there is a place for each call; -1 with an error set. */
static inline int
reserve_places(Front *self)
{
    uint32_t room = self->calls->room;
    if (LIKELY(room <= self->room)) {
        return 0;
    }
    if (resize_array((void **)&self->places, room, sizeof(uint32_t)) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    memset(self->places + self->room, 0, (room - self->room) * sizeof(uint32_t));
    self->room = room;
    return 0;
}

/* Remember the key of a call; -1 with an error set. */
static int
remember(Front *self, const Asked *asked, PyObject *key)
{
    Cache *calls = self->calls;
    Now now = {.known = true};
    Dropped dropped = {0};
    int done = -1;
    Writing writing = {.hash = asked->hash, .value = key, .weight = 1, .seconds = INFINITY, .when = INFINITY};
    writing.key = key_of(asked, self->call_type);
    if (writing.key != NULL) {
        Py_BEGIN_CRITICAL_SECTION(calls);
        uint32_t place = find(calls, writing.key, writing.hash);
        if (place != FAILED) {
            /* What is equal and of other types, as 1.0 and True, may have another key, and stays what is known. */
            bool other = place != ABSENT && asked->key == NULL &&
                         !is_same_call((Call *)calls->entries[place].key, asked);
            done = other ? 0 : commit(calls, &writing, &now, &dropped);
        }
        done = done < 0 ? -1 : reserve_places(self);
        Py_END_CRITICAL_SECTION();
        done = finish(calls, &dropped, done < 0) < 0 ? -1 : done;
        Py_DECREF(writing.key);
    }
    return done;
}

/* Note where the result of a call lies, if that is still remembered. */
static void
note_place(Front *self, const Known *known, uint32_t place)
{
    Cache *calls = self->calls;
    Py_BEGIN_CRITICAL_SECTION(calls);
    if (known->call < self->room && known->call < calls->filled &&
        calls->entries[known->call].value == known->key) {
        self->places[known->call] = place;
    }
    Py_END_CRITICAL_SECTION();
}

static inline bool
lies_there(const Cache *results, uint32_t place, PyObject *key)
{
    return place < results->filled && results->entries[place].key == key && results->entries[place].hash != GONE;
}

/* Read a result, as `get` does where there is one alive; NULL without an error if that is to do it. */
static inline PyObject *
read_known(Front *self, const Known *known)
{
    Cache *results = self->results;
    Now now;
    PyObject *value = NULL;
    uint32_t place = known->place;
    if (ask_time(results, &now) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(results);
    if (UNLIKELY(!lies_there(results, place, known->key))) {
        place = find(results, known->key, hash_of(known->key));
    }
    if (LIKELY(place != ABSENT && place != FAILED) &&
        LIKELY(results->deadlines == NULL || !has_come(results->deadlines[place].when, &now))) {
        results->hits++;
        self->quick_hits++;
        order_use(results, place);
        value = Py_NewRef(results->entries[place].value);
    }
    Py_END_CRITICAL_SECTION();
    if (UNLIKELY(place != known->place && value != NULL)) {
        note_place(self, known, place);
    }
    return value;
}

/* Read the result of a call by the shortest way: where it lies where it did, in a cache of which `read_quickly` would
   read it. NULL where it is not as simple as that, with nothing done. No code of the user's runs. */
static ALWAYS_INLINE PyObject *
read_in_place(Front *self, uint32_t call)
{
    Cache *calls = self->calls, *results = self->results;
    if (UNLIKELY(call >= self->room || results->way == NO_SHORT_WAY)) {
        return NULL;
    }
    uint32_t place = self->places[call];
    if (UNLIKELY(!lies_there(results, place, calls->entries[call].value))) {
        return NULL;
    }
    calls->marks[call] = 1;
    self->quick_hits++;
    results->hits++;
    order_use_quickly(results, place);
    return Py_NewRef(results->entries[place].value);
}

/* ------------------------------------------------------------------ calls */

static PyObject *
named_arguments(PyObject *const *values, PyObject *names)
{
    PyObject *named = PyDict_New();
    Py_ssize_t count = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    for (Py_ssize_t at = 0; named != NULL && at < count; at++) {
        if (PyDict_SetItem(named, PyTuple_GET_ITEM(names, at), values[at]) < 0) {
            Py_CLEAR(named);
        }
    }
    return named;
}

/* Make the key of a call by `_call_key`, and remember it where it was plain. */
static PyObject *
make_key(Front *self, const Asked *asked, PyObject *given, PyObject *named)
{
    PyObject *maker = PyObject_GetAttrString((PyObject *)self, "_call_key");
    PyObject *key = maker == NULL ? NULL : PyObject_CallFunctionObjArgs(maker, given, named, NULL);
    Py_XDECREF(maker);
    if (key != NULL && asked != NULL && PyUnicode_CheckExact(key) && remember(self, asked, key) < 0) {
        Py_CLEAR(key);
    }
    return key;
}

/* Ask `_given` for the result. */
static OUT_OF_LINE PyObject *
ask_python(Front *self, const Asked *asked, PyObject *known, PyObject *const *args, size_t flags,
           PyObject *names)
{
    Py_ssize_t count = PyVectorcall_NARGS(flags);
    PyObject *given = PyTuple_New(count), *named = named_arguments(args + count, names);
    PyObject *key = NULL, *method = NULL, *value = NULL;
    for (Py_ssize_t at = 0; given != NULL && at < count; at++) {
        PyTuple_SET_ITEM(given, at, Py_NewRef(args[at]));
    }
    if (given != NULL && named != NULL) {
        key = known == NULL ? make_key(self, asked, given, named) : Py_NewRef(known);
    }
    if (key != NULL && (method = PyObject_GetAttrString((PyObject *)self, "_given")) != NULL) {
        value = PyObject_CallFunctionObjArgs(method, key, given, named, NULL);
    }
    Py_XDECREF(method);
    Py_XDECREF(key);
    Py_XDECREF(named);
    Py_XDECREF(given);
    return value;
}

static PyObject *
front_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names)
{
    Front *self = (Front *)object;
    Asked asked;
    Known known = {.key = NULL};
    bool plain = self->calls != NULL && ask_plainly(&asked, args, flags, names);
    if (LIKELY(plain) && (known = what_is_known(self, &asked)).key != NULL && self->results != NULL) {
        PyObject *value = read_known(self, &known);
        if (LIKELY(value != NULL) || PyErr_Occurred()) {
            Py_DECREF(known.key);
            return value;
        }
    }
    if (UNLIKELY(PyErr_Occurred() != NULL)) {
        return NULL;
    }
    PyObject *value = ask_python(self, plain ? &asked : NULL, known.key, args, flags, names);
    Py_XDECREF(known.key);
    return value;
}

/* What is left to do for one argument: it may lie elsewhere, or equal what was passed before. */
static OUT_OF_LINE PyObject *
front_of_one(Front *self, PyObject *const *args)
{
    Cache *calls = self->calls;
    PyObject *value = NULL;
    Py_hash_t hash = quick_hash_of(args[0]);
    Py_BEGIN_CRITICAL_SECTION2(calls, self->results);
    if (LIKELY(hash != -1 && calls->way == MARK)) {
        uint32_t call = find_from_home(calls, args[0], hash);
        if (LIKELY(call != ABSENT && call != FAILED)) {
            value = read_in_place(self, call);
        }
    }
    Py_END_CRITICAL_SECTION2();
    return LIKELY(value != NULL) ? value : front_vectorcall((PyObject *)self, args, 1, NULL);
}

static OUT_OF_LINE PyObject *
front_of_many(Front *self, PyObject *const *args, size_t flags, PyObject *names)
{
    Cache *calls = self->calls;
    PyObject *value = NULL;
    Asked asked;
    if (LIKELY(ask_quickly(&asked, args, flags, names))) {
        Py_BEGIN_CRITICAL_SECTION2(calls, self->results);
        if (LIKELY(calls->way == MARK)) {
            uint32_t call = find_call_quickly(calls, &asked, self->call_type);
            if (LIKELY(call != ABSENT)) {
                value = read_in_place(self, call);
            }
        }
        Py_END_CRITICAL_SECTION2();
    }
    return LIKELY(value != NULL) ? value : front_vectorcall((PyObject *)self, args, flags, names);
}

/* The same, where there are results; as short as `function_quick_vectorcall`. */
static PyObject *
front_quick_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names)
{
    if (LIKELY(PyVectorcall_NARGS(flags) == 1 && names == NULL)) {
        Front *self = (Front *)object;
        Cache *calls = self->calls;
        PyObject *value = NULL;
        Py_hash_t hash = quick_hash_of(args[0]);
        Py_BEGIN_CRITICAL_SECTION2(calls, self->results);
        if (LIKELY(hash != -1 && calls->way == MARK)) {
            uint32_t call = place_by_tag(calls, hash);
            if (LIKELY(calls->entries[call].key == args[0])) {
                value = read_in_place(self, call);
            }
        }
        Py_END_CRITICAL_SECTION2();
        return LIKELY(value != NULL) ? value : front_of_one(self, args);
    }
    return front_of_many((Front *)object, args, flags, names);
}

static PyObject *
front_shorten(PyObject *object, PyObject *given)
{
    Front *self = (Front *)object;
    State *state = state_of(Py_TYPE(object));
    PyObject *calls, *results;
    if (state == NULL || !PyArg_ParseTuple(given, "O!O:_shorten", state->cache_type, &calls, &results)) {
        return NULL;
    }
    if (results != Py_None && !PyObject_TypeCheck(results, state->cache_type)) {
        PyErr_SetString(PyExc_TypeError, "results are in a cache, or None");
        return NULL;
    }
    Cache *old[] = {self->calls, self->results};
    self->calls = (Cache *)Py_NewRef(calls);
    self->results = (Cache *)Py_XNewRef(not_none(results));
    self->vectorcall = self->results == NULL ? front_vectorcall : front_quick_vectorcall;
    Py_XDECREF(old[0]);
    Py_XDECREF(old[1]);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------ the life of one */

static PyObject *
front_new(PyTypeObject *type, PyObject *Py_UNUSED(given), PyObject *Py_UNUSED(named))
{
    State *state = state_of(type);
    Front *self = state == NULL ? NULL : (Front *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->vectorcall = front_vectorcall;
        self->call_type = (PyTypeObject *)Py_NewRef(state->call_type);
#if PY_VERSION_HEX < 0x030C0000
        /* Classes made in Python inherit this from 3.12 on. One that has a `__call__` of its own is not meant. */
        if (type->tp_call == PyVectorcall_Call) {
            type->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        }
#endif
    }
    return (PyObject *)self;
}

static int
front_traverse(PyObject *object, visitproc visit, void *arg)
{
    Front *self = (Front *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->calls);
    Py_VISIT(self->results);
    Py_VISIT(self->call_type);
    return 0;
}

static int
front_tp_clear(PyObject *object)
{
    Front *self = (Front *)object;
    self->vectorcall = front_vectorcall;
    Py_CLEAR(self->calls);
    Py_CLEAR(self->results);
    return 0;
}

static void
front_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    (void)front_tp_clear(object);
    Py_XDECREF(((Front *)object)->call_type);
    PyMem_Free(((Front *)object)->places);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef front_methods[] = {
    {"_shorten", front_shorten, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef front_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Front, vectorcall), READONLY, NULL},
    {"_quick_hits", T_ULONGLONG, offsetof(Front, quick_hits), 0, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(front_documentation,
             "The base of memoized functions: a call is its key, and then what _given makes of that.");

static PyType_Slot front_slots[] = {
    {Py_tp_doc, (void *)front_documentation},
    {Py_tp_new, front_new},
    {Py_tp_dealloc, front_dealloc},
    {Py_tp_traverse, front_traverse},
    {Py_tp_clear, front_tp_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_methods, front_methods},
    {Py_tp_members, front_members},
    {0, NULL},
};

static PyType_Spec front_specification = {
    .name = "pystorage.engine._engine.Front",
    .basicsize = sizeof(Front),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = front_slots,
};

#endif
