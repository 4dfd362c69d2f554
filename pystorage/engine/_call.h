/* Calls as keys: the arguments of a call, in the order in which they were passed.

   The key of a call of one argument that is exactly a str or an int is that argument; of any other call it is
   a `Call`. No user ever gets hold of one, so in a table of calls every key is a str, an int or a `Call`, and
   keys of two kinds are never equal. Equal calls have the same names in the same order, and equal arguments,
   which by `functools` is what an argument is known by; with `typed` the types follow as further items.

   A lookup makes no `Call`. It mixes the hashes of the arguments (by the rounds of xxHash64 by Yann Collet,
   as the hash of a tuple does) and compares them where they lie. Where only the arguments can say whether
   they are equal, a `Call` is made after all and `find_by_asking` looks for it, which knows of keys that
   change the table meanwhile.

   Code of the user's runs in `ask`, in `find_call`, and when a `Call` is let go of. */

#ifndef PYSTORAGE_CALL_H
#define PYSTORAGE_CALL_H

#include "_methods.h"

typedef struct {
    PyObject_VAR_HEAD
    Py_hash_t hash;
    PyObject *names; /* of the arguments that were passed by name; NULL if none was */
    PyObject *items[];
} Call;

/* A call that is looked for, its arguments where the caller has them. */
typedef struct {
    PyObject *const *args; /* by position, then by name */
    Py_ssize_t count;
    PyObject *names;
    PyObject *key; /* the argument that is the key itself, or NULL */
    Py_hash_t hash;
    bool typed;
} Asked;

/* ------------------------------------------------------------------ hashes */

#if SIZEOF_SIZE_T > 4
#define ROUND_ONE ((size_t)UINT64_C(11400714785074694791))
#define ROUND_TWO ((size_t)UINT64_C(14029467366897019727))
#define ROUND_END ((size_t)UINT64_C(2870177450012600261))
#define TURNED(bits) ((bits) << 31 | (bits) >> 33)
#else
#define ROUND_ONE ((size_t)2654435761UL)
#define ROUND_TWO ((size_t)2246822519UL)
#define ROUND_END ((size_t)374761393UL)
#define TURNED(bits) ((bits) << 13 | (bits) >> 19)
#endif

static inline size_t
with_hash(size_t sum, Py_hash_t hash)
{
    sum += (size_t)hash * ROUND_TWO;
    return TURNED(sum) * ROUND_ONE;
}

static inline bool
is_key_itself(PyObject *argument)
{
    return PyUnicode_CheckExact(argument) || PyLong_CheckExact(argument);
}

/* Say what is looked for; -1 where an argument has no hash. Each is asked for it once. */
static inline int
ask(Asked *asked, PyObject *const *args, size_t flags, PyObject *names, bool typed)
{
    asked->args = args;
    asked->count = PyVectorcall_NARGS(flags);
    asked->typed = typed;
    asked->key = NULL;
    asked->names = NULL;
    if (names != NULL && PyTuple_GET_SIZE(names) != 0) {
        asked->names = names;
        asked->count += PyTuple_GET_SIZE(names);
    }
    else if (LIKELY(asked->count == 1 && !typed && is_key_itself(args[0]))) {
        asked->key = args[0];
        asked->hash = hash_of(args[0]);
        return asked->hash == -1 ? -1 : 0;
    }
    size_t sum = ROUND_END + (size_t)asked->count;
    for (Py_ssize_t at = 0; at < asked->count; at++) {
        Py_hash_t hash = hash_of(args[at]);
        if (UNLIKELY(hash == -1)) {
            return -1;
        }
        sum = with_hash(sum, hash);
    }
    if (asked->names != NULL) {
        for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(names); at++) {
            Py_hash_t hash = hash_of(PyTuple_GET_ITEM(names, at));
            if (UNLIKELY(hash == -1)) {
                return -1;
            }
            sum = with_hash(sum, hash);
        }
    }
    if (UNLIKELY(typed)) {
        for (Py_ssize_t at = 0; at < asked->count; at++) {
            Py_hash_t hash = PyObject_Hash((PyObject *)Py_TYPE(args[at]));
            if (hash == -1) {
                return -1;
            }
            sum = with_hash(sum, hash);
        }
    }
    asked->hash = (Py_hash_t)sum == -1 ? -2 : (Py_hash_t)sum;
    return 0;
}

/* ------------------------------------------------------------------ the type */

/* Give the key of a call: a new reference. */
static PyObject *
key_of(const Asked *asked, PyTypeObject *type)
{
    if (asked->key != NULL) {
        return Py_NewRef(asked->key);
    }
    Py_ssize_t count = asked->typed ? 2 * asked->count : asked->count;
    Call *call = PyObject_GC_NewVar(Call, type, count);
    if (call == NULL) {
        return NULL;
    }
    bool cyclic = asked->typed;
    call->hash = asked->hash;
    call->names = Py_XNewRef(asked->names);
    for (Py_ssize_t at = 0; at < asked->count; at++) {
        call->items[at] = Py_NewRef(asked->args[at]);
        cyclic |= PyObject_IS_GC(asked->args[at]);
        if (asked->typed) {
            call->items[asked->count + at] = Py_NewRef((PyObject *)Py_TYPE(asked->args[at]));
        }
    }
    if (cyclic) {
        PyObject_GC_Track((PyObject *)call);
    }
    return (PyObject *)call;
}

static int
call_traverse(PyObject *object, visitproc visit, void *arg)
{
    Call *self = (Call *)object;
    Py_VISIT(Py_TYPE(object));
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++) {
        Py_VISIT(self->items[at]);
    }
    return 0;
}

/* It has no `tp_clear`, as a tuple has none: the table that holds it lets go of it. */
static void
call_dealloc(PyObject *object)
{
    Call *self = (Call *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    for (Py_ssize_t at = 0; at < Py_SIZE(self); at++) {
        Py_DECREF(self->items[at]);
    }
    Py_XDECREF(self->names);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_hash_t
call_hash(PyObject *object)
{
    return ((Call *)object)->hash;
}

static PyObject *
call_richcompare(PyObject *one, PyObject *other, int operation)
{
    if (operation != Py_EQ || Py_TYPE(one) != Py_TYPE(other)) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    Call *self = (Call *)one, *given = (Call *)other;
    int equal = Py_SIZE(self) == Py_SIZE(given) && (self->names == NULL) == (given->names == NULL);
    if (equal && self->names != given->names) {
        equal = PyObject_RichCompareBool(self->names, given->names, Py_EQ);
    }
    for (Py_ssize_t at = 0; equal > 0 && at < Py_SIZE(self); at++) {
        equal = PyObject_RichCompareBool(self->items[at], given->items[at], Py_EQ);
    }
    return equal < 0 ? NULL : PyBool_FromLong(equal);
}

static PyType_Slot call_slots[] = {
    {Py_tp_dealloc, call_dealloc},
    {Py_tp_traverse, call_traverse},
    {Py_tp_hash, call_hash},
    {Py_tp_richcompare, call_richcompare},
    {0, NULL},
};

static PyType_Spec call_specification = {
    .name = "pystorage.engine._engine.Call",
    .basicsize = sizeof(Call),
    .itemsize = sizeof(PyObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE |
             Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = call_slots,
};

/* ------------------------------------------------------------------ looking up */

/* Say whether two arguments or names are equal, 1 or 0; -1 where only they can say it themselves. */
static inline int
quickly_same(PyObject *known, PyObject *given)
{
    if (known == given) {
        return 1;
    }
    if (PyFloat_CheckExact(known) && PyFloat_CheckExact(given)) {
        return PyFloat_AS_DOUBLE(known) == PyFloat_AS_DOUBLE(given);
    }
    return quickly_equal(known, given);
}

/* Say the same of two calls with the same hash. */
static inline int
quickly_the_call(const Call *known, const Asked *asked)
{
    if (Py_SIZE(known) != (asked->typed ? 2 * asked->count : asked->count) ||
        (known->names == NULL) != (asked->names == NULL)) {
        return 0;
    }
    if (known->names != asked->names) { /* as the same place in a program gives the same tuple each time */
        Py_ssize_t count = PyTuple_GET_SIZE(known->names);
        if (count != PyTuple_GET_SIZE(asked->names)) {
            return 0;
        }
        for (Py_ssize_t at = 0; at < count; at++) {
            int same =
                quickly_same(PyTuple_GET_ITEM(known->names, at), PyTuple_GET_ITEM(asked->names, at));
            if (same <= 0) {
                return same;
            }
        }
    }
    for (Py_ssize_t at = 0; at < asked->count; at++) {
        int same = quickly_same(known->items[at], asked->args[at]);
        if (same > 0 && asked->typed && known->items[asked->count + at] != (PyObject *)Py_TYPE(asked->args[at])) {
            same = -1; /* a metaclass may say that types are equal */
        }
        if (same <= 0) {
            return same;
        }
    }
    return 1;
}

/* Say what is looked for without running any code of the user's; false where that is not as simple. */
static inline bool
ask_quickly(Asked *asked, PyObject *const *args, size_t flags, PyObject *names)
{
    Py_ssize_t named = names == NULL ? 0 : PyTuple_GET_SIZE(names);
    Py_ssize_t count = PyVectorcall_NARGS(flags) + named;
    size_t sum = ROUND_END + (size_t)count;
    for (Py_ssize_t at = 0; at < count; at++) {
        Py_hash_t hash = quick_hash_of(args[at]);
        if (UNLIKELY(hash == -1)) {
            return false;
        }
        sum = with_hash(sum, hash);
    }
    for (Py_ssize_t at = 0; at < named; at++) {
        Py_hash_t hash = quick_hash_of(PyTuple_GET_ITEM(names, at));
        if (UNLIKELY(hash == -1)) {
            return false;
        }
        sum = with_hash(sum, hash);
    }
    asked->args = args;
    asked->count = count;
    asked->names = named == 0 ? NULL : names;
    asked->key = NULL;
    asked->hash = (Py_hash_t)sum == -1 ? -2 : (Py_hash_t)sum;
    asked->typed = false;
    return true;
}

/* Give the place of such a call where it lies in one of the first two slots and its arguments are surely equal. There
   must be an index. No code of the user's runs. */
static inline uint32_t
find_call_quickly(const Cache *cache, const Asked *asked, PyTypeObject *type)
{
    uint32_t place = place_by_tag(cache, asked->hash);
    const Entry *entry = &cache->entries[place];
    return LIKELY(place != ABSENT && entry->hash == asked->hash && Py_TYPE(entry->key) == type &&
                  quickly_the_call((const Call *)entry->key, asked) > 0)
               ? place
               : ABSENT;
}

static OUT_OF_LINE uint32_t
find_call_by_asking(Cache *cache, const Asked *asked, PyTypeObject *type)
{
    PyObject *key = key_of(asked, type);
    uint32_t place = key == NULL ? FAILED : find_by_asking(cache, key, asked->hash);
    Py_XDECREF(key); /* its arguments are the caller's too, so no code runs here and the place still holds */
    return place;
}

/* Give the place of a call, or ABSENT, or FAILED; the answer holds until other code runs. */
static inline uint32_t
find_call(Cache *cache, const Asked *asked, PyTypeObject *type)
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
        if (place > mask || cache->entries[place].hash != asked->hash ||
            Py_TYPE(cache->entries[place].key) != type) {
            continue;
        }
        int same = quickly_the_call((Call *)cache->entries[place].key, asked);
        if (LIKELY(same > 0)) {
            return place;
        }
        if (same < 0) {
            return find_call_by_asking(cache, asked, type);
        }
    }
}

#endif
