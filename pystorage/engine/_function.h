/* The type `CachedFunction`: what `pystorage.engine._function.CachedFunction` does, in C.

   It is called as the function is. The arguments are looked up where the caller has them, in a cache of its
   own (see `_call.h`); on a miss the function is called with them, and a key is made for what it gave. Calls
   that miss at the same time each call the function, as those of `functools.lru_cache` do; with a limit the
   first result stays, without one the last.

   Code of the user's runs in the hash and the lookup, in the function, when the result is filed, and when
   what was dropped is let go of; the cache is whole each time. */

#ifndef PYSTORAGE_FUNCTION_H
#define PYSTORAGE_FUNCTION_H

#include "_call.h"

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function; /* NULL when the collector of garbage was here */
    Cache *cache;
    PyTypeObject *call_type;
    PyObject *info; /* makes what `cache_info` gives */
    bool typed;
    bool keeps; /* whether there is any room */
    uint64_t hits, misses;
    PyObject *attributes;
    PyObject *weakrefs;
} Function;

/* ------------------------------------------------------------------ calls */

/* Put a result in; -1 with an error set. */
static int
file_result(Function *self, const Asked *asked, PyObject *value)
{
    Cache *cache = self->cache;
    Now now;
    Dropped dropped = {0};
    int done = -1;
    Writing writing = {.hash = asked->hash, .value = value, .weight = 1, .only_new = cache->limited};
    writing.seconds = cache->mortal ? cache->life : INFINITY;
    writing.key = key_of(asked, self->call_type);
    if (writing.key == NULL || times(cache, writing.seconds, &now, &writing.when) < 0) {
        Py_XDECREF(writing.key);
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(cache);
    done = commit(cache, &writing, &now, &dropped);
    Py_END_CRITICAL_SECTION();
    done = finish(cache, &dropped, done < 0) < 0 ? -1 : done;
    Py_DECREF(writing.key);
    return done;
}

static OUT_OF_LINE PyObject *
call_function(Function *self, const Asked *asked, PyObject *const *args, size_t flags, PyObject *names)
{
    if (self->function == NULL) {
        PyErr_SetString(PyExc_ReferenceError, "the cached function is gone: it was collected as garbage");
        return NULL;
    }
    if (Py_EnterRecursiveCall(" in a cached function")) { /* one in C may call this one again */
        return NULL;
    }
    PyObject *function = Py_NewRef(self->function);
    PyObject *value = PyObject_Vectorcall(function, args, flags, names);
    Py_DECREF(function);
    Py_LeaveRecursiveCall();
    if (value != NULL && asked != NULL && file_result(self, asked, value) < 0) {
        Py_CLEAR(value);
    }
    return value;
}

/* Give a result by the shortest way, where `read_quickly` would read it. No code of the user's runs. */
static ALWAYS_INLINE PyObject *
give_in_place(Function *self, uint32_t place)
{
    Cache *cache = self->cache;
    self->hits++;
    order_use_quickly(cache, place);
    return Py_NewRef(cache->entries[place].value);
}

static PyObject *
function_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names)
{
    Function *self = (Function *)object;
    Cache *cache = self->cache;
    Asked asked;
    Now now;
    Dropped dropped = {0};
    PyObject *value = NULL;
    uint32_t place;
    if (UNLIKELY(!self->keeps)) {
        Py_BEGIN_CRITICAL_SECTION(cache);
        self->misses++;
        Py_END_CRITICAL_SECTION();
        return call_function(self, NULL, args, flags, names);
    }
    if (UNLIKELY(ask(&asked, args, flags, names, self->typed) < 0 || ask_time(cache, &now) < 0)) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(cache);
    place = find_call(cache, &asked, self->call_type);
    if (UNLIKELY(cache->deadlines != NULL) && place != ABSENT && place != FAILED &&
        has_come(cache->deadlines[place].when, &now)) {
        take_out(cache, place, EXPIRED, &dropped);
        cache->expirations++;
        place = ABSENT;
    }
    if (LIKELY(place != ABSENT && place != FAILED)) {
        self->hits++;
        order_use(cache, place);
        value = Py_NewRef(cache->entries[place].value);
    }
    else if (place == ABSENT) {
        self->misses++;
    }
    Py_END_CRITICAL_SECTION();
    if (LIKELY(value != NULL)) {
        return value;
    }
    if (finish(cache, &dropped, place == FAILED) < 0 || place == FAILED) {
        return NULL;
    }
    return call_function(self, &asked, args, flags, names);
}

/* What is left to do for one argument: it may lie elsewhere, or equal what was passed before. */
static OUT_OF_LINE PyObject *
function_of_one(Function *self, PyObject *const *args)
{
    Cache *cache = self->cache;
    PyObject *value = NULL;
    Py_hash_t hash = quick_hash_of(args[0]);
    Py_BEGIN_CRITICAL_SECTION(cache);
    if (LIKELY(hash != -1 && cache->way != NO_SHORT_WAY)) {
        uint32_t place = find_from_home(cache, args[0], hash);
        if (LIKELY(place != ABSENT && place != FAILED)) {
            value = give_in_place(self, place);
        }
    }
    Py_END_CRITICAL_SECTION();
    return LIKELY(value != NULL) ? value : function_vectorcall((PyObject *)self, args, 1, NULL);
}

/* The same, where there is room and types are not told apart. One argument that was passed before is looked up right
   here, and what is left is jumped to and not called, so that a hit needs hardly a register saved. */
static PyObject *
function_quick_vectorcall(PyObject *object, PyObject *const *args, size_t flags, PyObject *names)
{
    if (LIKELY(PyVectorcall_NARGS(flags) == 1 && names == NULL)) {
        Function *self = (Function *)object;
        Cache *cache = self->cache;
        PyObject *value = NULL;
        Py_hash_t hash = quick_hash_of(args[0]);
        Py_BEGIN_CRITICAL_SECTION(cache);
        if (LIKELY(hash != -1 && cache->way != NO_SHORT_WAY)) {
            uint32_t place = place_by_tag(cache, hash);
            if (LIKELY(cache->entries[place].key == args[0])) {
                value = give_in_place(self, place);
            }
        }
        Py_END_CRITICAL_SECTION();
        return LIKELY(value != NULL) ? value : function_of_one(self, args);
    }
    return function_vectorcall(object, args, flags, names);
}

static PyObject *
function_get(PyObject *self, PyObject *object, PyObject *Py_UNUSED(type))
{
    return object == NULL || object == Py_None ? Py_NewRef(self) : PyMethod_New(self, object);
}

/* ------------------------------------------------------------------ methods */

static PyObject *
function_info(PyObject *object, PyObject *Py_UNUSED(none))
{
    Function *self = (Function *)object;
    uint64_t hits, misses, size;
    if (sweep(self->cache) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self->cache);
    hits = self->hits;
    misses = self->misses;
    size = self->cache->used;
    Py_END_CRITICAL_SECTION();
    PyObject *maxsize = held(self->cache, &self->cache->maxsize);
    return PyObject_CallFunction(self->info, "KKNK", (unsigned long long)hits, (unsigned long long)misses,
                                 maxsize == NULL ? Py_NewRef(Py_None) : maxsize, (unsigned long long)size);
}

static PyObject *
function_clear_cache(PyObject *object, PyObject *Py_UNUSED(none))
{
    Function *self = (Function *)object;
    Py_BEGIN_CRITICAL_SECTION(self->cache);
    self->hits = self->misses = 0;
    Py_END_CRITICAL_SECTION();
    return clear_all(self->cache) < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
function_reduce(PyObject *self, PyObject *Py_UNUSED(none))
{
    return PyObject_GetAttrString(self, "__qualname__");
}

static PyObject *
function_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

/* ------------------------------------------------------------------ the life of one */

static PyObject *
function_new(PyTypeObject *type, PyObject *given, PyObject *named)
{
    static char *names[] = {"function", "cache", "typed", "info", NULL};
    PyObject *function, *info;
    Cache *cache;
    int typed;
    State *state = state_of(type);
    if (state == NULL || !PyArg_ParseTupleAndKeywords(given, named, "OO!pO:CachedFunction", names, &function,
                                                      state->cache_type, &cache, &typed, &info)) {
        return NULL;
    }
    if (!is_function("function", function) || !is_function("info", info)) {
        return NULL;
    }
    if (cache->weigher != NULL || cache->on_evict != NULL) {
        PyErr_SetString(PyExc_ValueError, "a cache of calls has no weigher and no on_evict");
        return NULL;
    }
    Function *self = (Function *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->function = Py_NewRef(function);
        self->cache = (Cache *)Py_NewRef(cache);
        self->call_type = (PyTypeObject *)Py_NewRef(state->call_type);
        self->info = Py_NewRef(info);
        self->typed = typed;
        self->keeps = !(cache->limited && cache->limit == 0);
        self->vectorcall = self->keeps && !self->typed ? function_quick_vectorcall : function_vectorcall;
    }
    return (PyObject *)self;
}

static int
function_traverse(PyObject *object, visitproc visit, void *arg)
{
    Function *self = (Function *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->function);
    Py_VISIT(self->cache);
    Py_VISIT(self->call_type);
    Py_VISIT(self->info);
    Py_VISIT(self->attributes);
    return 0;
}

/* The cache, which the collector empties by itself, stays, so that a finalizer may still make a call. */
static int
function_tp_clear(PyObject *object)
{
    Function *self = (Function *)object;
    Py_CLEAR(self->function);
    Py_CLEAR(self->attributes);
    return 0;
}

static void
function_dealloc(PyObject *object)
{
    Function *self = (Function *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    (void)function_tp_clear(object);
    Py_XDECREF(self->cache);
    Py_XDECREF(self->call_type);
    Py_XDECREF(self->info);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef function_methods[] = {
    {"cache_info", function_info, METH_NOARGS, "cache_info($self)\n--\n\nGive hits, misses, maxsize and currsize."},
    {"cache_clear", function_clear_cache, METH_NOARGS,
     "cache_clear($self)\n--\n\nForget all results, and the figures."},
    {"__reduce__", function_reduce, METH_NOARGS, NULL},
    {"__copy__", function_copy, METH_NOARGS, NULL},
    {"__deepcopy__", function_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef function_attributes[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Function, vectorcall), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Function, attributes), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Function, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(function_documentation,
             "CachedFunction(function, cache, typed, info)\n"
             "--\n\n"
             "A function whose results are kept by the arguments of the call, as functools.lru_cache does.");

static PyType_Slot function_slots[] = {
    {Py_tp_doc, (void *)function_documentation},
    {Py_tp_new, function_new},
    {Py_tp_dealloc, function_dealloc},
    {Py_tp_traverse, function_traverse},
    {Py_tp_clear, function_tp_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_descr_get, function_get},
    {Py_tp_methods, function_methods},
    {Py_tp_getset, function_attributes},
    {Py_tp_members, function_members},
    {0, NULL},
};

static PyType_Spec function_specification = {
    .name = "pystorage.engine._engine.CachedFunction",
    .basicsize = sizeof(Function),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL |
             Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = function_slots,
};

#endif
