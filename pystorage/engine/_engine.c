/* The type `Cache`: what `pystorage.engine._cache.Cache` does, in C.

   The two have one behaviour, to which the same tests hold them. This file has the life of a cache, the type
   and the module; the headers have what it does:

     _table.h       places and index: key -> entry
     _order.h       lists of places, and marks
     _policy.h      the policies, which say by these who is the first to go; the longer ones have their own:
     _sieve.h       SIEVE
     _s3fifo.h      S3-FIFO
     _sketch.h      how often keys were asked for
     _tinylfu.h     W-TinyLFU
     _deadlines.h   the clock, and who expires next
     _shrink.h      memory that is given back
     _callbacks.h   the timer, the weigher, `on_evict`, errors
     _operations.h  the operations on one key
     _plain.h       the shortest way of writing
     _bulk.h        the operations on many
     _methods.h     the slots and methods, with their arguments
     _call.h        calls as keys
     _function.h    the type `CachedFunction`, which keeps the results of a function in a cache
     _front.h       the type `Front`, the base of memoized functions

   The type has no `__new__` of its own: memory of zeroes is an empty LRU without a limit. All state is of
   the module or of a cache, so each interpreter has its own. */

#define PY_SSIZE_T_CLEAN
#include "_front.h"

/* ------------------------------------------------------------------ the life of a cache */

static int
cache_traverse(PyObject *object, visitproc visit, void *arg)
{
    Cache *self = SELF(object);
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->timer);
    Py_VISIT(self->weigher);
    Py_VISIT(self->on_evict);
    Py_VISIT(self->life_given);
    for (uint32_t place = HEADS; place < self->filled; place++) {
        Py_VISIT(self->entries[place].key); /* dropped ones too; NULL where the place is free */
        Py_VISIT(self->entries[place].value);
    }
    return 0;
}

static int
cache_tp_clear(PyObject *object)
{
    Cache *self = SELF(object);
    Dropped dropped = {0};
    Py_CLEAR(self->on_evict); /* which is not told of this */
    take_all_out(self, &dropped);
    (void)finish(self, &dropped, false);
    Py_CLEAR(self->timer);
    Py_CLEAR(self->weigher);
    Py_CLEAR(self->life_given);
    return 0;
}

static void
cache_dealloc(PyObject *object)
{
    Cache *self = SELF(object);
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    Py_TRASHCAN_BEGIN(object, cache_dealloc);
    if (self->weakrefs != NULL) {
        PyObject_ClearWeakRefs(object);
    }
    /* Nobody else has it any more, so the arrays are taken apart as they are. */
    uint32_t filled = self->filled;
    self->filled = self->used = 0;
    for (uint32_t place = HEADS; place < filled; place++) {
        Py_XDECREF(self->entries[place].key);
        Py_XDECREF(self->entries[place].value);
    }
    PyMem_Free(self->index);
    PyMem_Free(self->memory);
    PyMem_Free(self->weights);
    PyMem_Free(self->marks);
    PyMem_Free(self->ghosts);
    PyMem_Free(self->sketch);
    PyMem_Free(self->deadlines);
    PyMem_Free(self->heap);
    Py_XDECREF(self->maxsize);
    Py_XDECREF(self->timer);
    Py_XDECREF(self->weigher);
    Py_XDECREF(self->on_evict);
    Py_XDECREF(self->life_given);
    type->tp_free(object);
    Py_DECREF(type);
    Py_TRASHCAN_END;
}

static int
cache_init(PyObject *object, PyObject *given, PyObject *named)
{
    static char *names[] = {"maxsize", "policy", "ttl", "weigher", "on_evict", "timer", NULL};
    Cache *self = SELF(object);
    PyObject *maxsize = Py_None, *name = NULL, *ttl = NULL, *weigher = NULL, *on_evict = NULL, *timer = NULL;
    PyObject *shown;
    enum policy policy;
    bool limited;
    uint64_t limit;
    double life = INFINITY;
    State *state = state_of(Py_TYPE(object));
    if (state == NULL || !PyArg_ParseTupleAndKeywords(given, named, "|O$OOOOO:Cache", names, &maxsize, &name,
                                                      &ttl, &weigher, &on_evict, &timer)) {
        return -1;
    }
    ttl = not_none(ttl);
    weigher = not_none(weigher);
    on_evict = not_none(on_evict);
    if (!is_function("weigher", weigher) || !is_function("on_evict", on_evict) || !is_function("timer", timer) ||
        (ttl != NULL && !seconds_of(ttl, &life)) || read_policy(name, &policy) < 0 ||
        read_limit(maxsize, &shown, &limited, &limit) < 0) {
        return -1;
    }
    /* One that was in use is emptied without a word, and lets go of the old settings last. */
    PyObject *old[5] = {NULL};
    bool short_of_memory = false;
    Py_BEGIN_CRITICAL_SECTION(self);
    self->plain = false;
    Py_CLEAR(self->on_evict);
    while (self->used != 0) {
        Dropped dropped = {0};
        take_all_out(self, &dropped);
        (void)finish(self, &dropped, false);
    }
    PyMem_Free(self->weights);
    PyMem_Free(self->marks);
    self->weights = NULL;
    self->marks = NULL;
    if (weigher != NULL && self->room != 0) {
        self->weights = PyMem_New(uint64_t, self->room);
        short_of_memory = self->weights == NULL;
    }
    if (policy > FIFO && self->room != 0) {
        self->marks = PyMem_New(uint8_t, self->room);
        short_of_memory |= self->marks == NULL;
    }
    if (short_of_memory) {
        PyMem_Free(self->weights);
        self->weights = NULL;
        self->policy = LRU;
        note_way(self);
        old[0] = shown;
        old[1] = self->weigher;
        self->weigher = NULL;
    }
    else {
        old[0] = self->maxsize;
        old[1] = self->weigher;
        old[2] = self->on_evict;
        old[3] = self->timer;
        old[4] = self->life_given;
        self->maxsize = shown;
        self->limited = limited;
        self->limit = limit;
        self->policy = policy;
        note_way(self);
        order_limit(self);
        self->mortal = life != INFINITY;
        self->life = life;
        self->life_given = Py_XNewRef(ttl);
        self->weigher = Py_XNewRef(weigher);
        self->on_evict = Py_XNewRef(on_evict);
        self->timer = Py_XNewRef(timer == state->monotonic ? NULL : timer);
        note_plain(self);
        self->hits = self->misses = self->sets = 0;
        self->deletes = self->evictions = self->expirations = 0;
    }
    Py_END_CRITICAL_SECTION();
    for (size_t number = 0; number < sizeof(old) / sizeof(*old); number++) {
        Py_XDECREF(old[number]);
    }
    if (short_of_memory) {
        PyErr_NoMemory();
        return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------ attributes */

static PyObject *
held_or_none(Cache *self, PyObject **setting)
{
    PyObject *object = held(self, setting);
    return object == NULL ? Py_NewRef(Py_None) : object;
}

static PyObject *
get_maxsize(PyObject *self, void *Py_UNUSED(none))
{
    return held_or_none(SELF(self), &SELF(self)->maxsize);
}

static PyObject *
get_currsize(PyObject *self, void *Py_UNUSED(none))
{
    uint64_t weight;
    if (sweep(SELF(self)) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self); /* as for the length */
    weight = SELF(self)->weight;
    Py_END_CRITICAL_SECTION();
    return PyLong_FromUnsignedLongLong(weight);
}

static PyObject *
get_policy(PyObject *self, void *Py_UNUSED(none))
{
    return PyUnicode_FromString(POLICY_NAMES[SELF(self)->policy]);
}

static PyObject *
get_timer(PyObject *self, void *Py_UNUSED(none))
{
    PyObject *timer;
    Py_BEGIN_CRITICAL_SECTION(self);
    timer = timer_of(SELF(self));
    Py_END_CRITICAL_SECTION();
    return timer;
}

static PyObject *
get_life(PyObject *self, void *Py_UNUSED(none))
{
    return held_or_none(SELF(self), &SELF(self)->life_given);
}

static PyObject *
get_weigher(PyObject *self, void *Py_UNUSED(none))
{
    return held_or_none(SELF(self), &SELF(self)->weigher);
}

static PyObject *
get_on_evict(PyObject *self, void *Py_UNUSED(none))
{
    return held_or_none(SELF(self), &SELF(self)->on_evict);
}

static PyGetSetDef attributes[] = {
    {"maxsize", get_maxsize, NULL, "The limit, in entries or in weight; None is no limit.", NULL},
    {"currsize", get_currsize, NULL, "What the entries take of the limit.", NULL},
    {"timer", get_timer, NULL, "The clock that deadlines are counted on: a function that gives seconds.", NULL},
    {"_maxsize", get_maxsize, NULL, NULL, NULL},
    {"_policy", get_policy, NULL, NULL, NULL},
    {"_timer", get_timer, NULL, NULL, NULL},
    {"_life", get_life, NULL, NULL, NULL},
    {"_weigher", get_weigher, NULL, NULL, NULL},
    {"_on_evict", get_on_evict, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Cache, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* ------------------------------------------------------------------ the type */

#define WITH_NAMES(function) (PyCFunction)(void (*)(void))(function)

#define GET_DOCUMENTATION "get($self, key, default=None)\n--\n\nGive the value of a key, or the default."

static PyMethodDef get_method = {
    "get", WITH_NAMES(cache_get), METH_FASTCALL | METH_KEYWORDS, GET_DOCUMENTATION};

/* Give a class a `get` of its own, which is this one: CPython calls a method without a detour where the object is of
   exactly the type that has it. */
static PyObject *
cache_own_get(PyObject *type, PyObject *Py_UNUSED(none))
{
    PyObject *method = PyDescr_NewMethod((PyTypeObject *)type, &get_method);
    int done = method == NULL ? -1 : PyObject_SetAttrString(type, "get", method);
    Py_XDECREF(method);
    return done < 0 ? NULL : Py_NewRef(Py_None);
}

/* Say whether `get` of a class is this one. */
static PyObject *
cache_has_this_get(PyObject *type, PyObject *Py_UNUSED(none))
{
    PyObject *method = PyObject_GetAttrString(type, "get");
    if (method == NULL) {
        return NULL;
    }
    bool is_this = Py_IS_TYPE(method, &PyMethodDescr_Type) &&
                   ((PyMethodDescrObject *)method)->d_method->ml_meth == get_method.ml_meth;
    Py_DECREF(method);
    return PyBool_FromLong(is_this);
}

static PyMethodDef methods[] = {
    {"get", WITH_NAMES(cache_get), METH_FASTCALL | METH_KEYWORDS, GET_DOCUMENTATION},
    {"_own_get", cache_own_get, METH_NOARGS | METH_CLASS, NULL},
    {"_has_this_get", cache_has_this_get, METH_NOARGS | METH_CLASS, NULL},
    {"peek", WITH_NAMES(cache_peek), METH_FASTCALL | METH_KEYWORDS,
     "peek($self, key, default=None)\n--\n\n"
     "Give the value of a key, or the default; it does not count as a use, nor as a hit or a miss."},
    {"pop", WITH_NAMES(cache_pop), METH_FASTCALL | METH_KEYWORDS,
     "pop($self, key, default=...)\n--\n\n"
     "Remove a key and give its value; if it is absent, the default, or KeyError."},
    {"popitem", cache_popitem, METH_NOARGS,
     "popitem($self)\n--\n\nRemove the first entry to go and give its key and value; KeyError if there is none."},
    {"clear", cache_clear, METH_NOARGS, "clear($self)\n--\n\nRemove every entry."},
    {"resize", WITH_NAMES(cache_resize), METH_VARARGS | METH_KEYWORDS,
     "resize($self, maxsize)\n--\n\nSet another limit; what is over it goes at once."},
    {"__sizeof__", cache_sizeof, METH_NOARGS,
     "__sizeof__($self)\n--\n\nGive the bytes that the table takes, without keys and values."},
    {"__reversed__", cache_reversed, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, NULL},
    {"_write", WITH_NAMES(cache_write), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_write_many", cache_write_many, METH_VARARGS, NULL},
    {"_read_many", cache_read_many, METH_O, NULL},
    {"_delete_many", cache_delete_many, METH_O, NULL},
    {"_swap", WITH_NAMES(cache_swap), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_incr", cache_incr, METH_VARARGS, NULL},
    {"_redate", WITH_NAMES(cache_redate), METH_VARARGS | METH_KEYWORDS, NULL},
    {"_expiry", cache_expiry, METH_O, NULL},
    {"_sweep", cache_sweep, METH_NOARGS, NULL},
    {"_figures", cache_figures, METH_NOARGS, NULL},
    {"_settings", cache_settings, METH_NOARGS, NULL},
    {"_contents", cache_contents, METH_NOARGS, NULL},
    {"_fill", cache_fill, METH_O, NULL},
    {"_check", cache_check, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

PyDoc_STRVAR(documentation,
             "Cache(maxsize=None, *, policy='lru', ttl=None, weigher=None, on_evict=None, timer=time.monotonic)\n"
             "--\n\n"
             "A mapping in memory that keeps within a limit, forgets in time and says what it drops.");

static PyType_Slot slots[] = {
    {Py_tp_doc, (void *)documentation},
    {Py_tp_init, cache_init},
    {Py_tp_dealloc, cache_dealloc},
    {Py_tp_traverse, cache_traverse},
    {Py_tp_clear, cache_tp_clear},
    {Py_tp_iter, cache_iter},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {Py_tp_members, members},
    {Py_mp_subscript, cache_subscript},
    {Py_mp_ass_subscript, cache_ass_subscript},
    {Py_mp_length, cache_length},
    {Py_sq_contains, cache_contains},
    {Py_nb_bool, cache_bool},
    {0, NULL},
};

static PyType_Spec specification = {
    .name = "pystorage.engine._engine.Cache",
    .basicsize = sizeof(Cache),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_MAPPING |
             Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

/* ------------------------------------------------------------------ the module */

static const struct {
    size_t offset; /* in the state */
    PyType_Spec *specification;
    bool shown;
} types[] = {
    {offsetof(State, cache_type), &specification, true},
    {offsetof(State, call_type), &call_specification, false},
    {offsetof(State, function_type), &function_specification, true},
    {offsetof(State, front_type), &front_specification, true},
};

static int
engine_exec(PyObject *module)
{
    static const char *const causes[CAUSES] = {"evicted", "expired", "replaced", "deleted", "cleared"};
    State *state = PyModule_GetState(module);
    PyObject *time = PyImport_ImportModule("time");
    state->monotonic = time == NULL ? NULL : PyObject_GetAttrString(time, "monotonic");
    Py_XDECREF(time);
    state->missing = PyUnicode_InternFromString("__missing__");
    if (state->monotonic == NULL || state->missing == NULL) {
        return -1;
    }
    for (int cause = 0; cause < CAUSES; cause++) {
        state->causes[cause] = PyUnicode_InternFromString(causes[cause]);
        if (state->causes[cause] == NULL) {
            return -1;
        }
    }
    for (size_t number = 0; number < sizeof(types) / sizeof(*types); number++) {
        PyTypeObject **type = (PyTypeObject **)((char *)state + types[number].offset);
        *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, types[number].specification, NULL);
        if (*type == NULL || (types[number].shown && PyModule_AddType(module, *type) < 0)) {
            return -1;
        }
    }
    return 0;
}

static int
engine_traverse(PyObject *module, visitproc visit, void *arg)
{
    State *state = PyModule_GetState(module);
    Py_VISIT(state->cache_type);
    Py_VISIT(state->call_type);
    Py_VISIT(state->function_type);
    Py_VISIT(state->front_type);
    Py_VISIT(state->monotonic);
    return 0;
}

static int
engine_clear(PyObject *module)
{
    State *state = PyModule_GetState(module);
    Py_CLEAR(state->cache_type);
    Py_CLEAR(state->call_type);
    Py_CLEAR(state->function_type);
    Py_CLEAR(state->front_type);
    Py_CLEAR(state->monotonic);
    Py_CLEAR(state->missing);
    for (int cause = 0; cause < CAUSES; cause++) {
        Py_CLEAR(state->causes[cause]);
    }
    return 0;
}

static void
engine_free(void *module)
{
    (void)engine_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, engine_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_NOT_USED}, /* scripts/freethreaded.sh among the tests tries that */
#endif
    {0, NULL},
};

static struct PyModuleDef engine_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pystorage.engine._engine",
    .m_doc = "The cache in memory, in C.",
    .m_size = sizeof(State),
    .m_slots = module_slots,
    .m_traverse = engine_traverse,
    .m_clear = engine_clear,
    .m_free = engine_free,
};

PyMODINIT_FUNC
PyInit__engine(void)
{
    return PyModuleDef_Init(&engine_module);
}
