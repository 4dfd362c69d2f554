/* The operations on many keys or on all, in the same order as those on one: everything that runs code of the
   user's first (but for the `__eq__` of keys), then all lookups and changes, then `finish`.

   Cost: O(1) for each key that is named; O(n) for those on all. */

#ifndef PYSTORAGE_BULK_H
#define PYSTORAGE_BULK_H

#include "_operations.h"

/* ------------------------------------------------------------------ many keys */

/* Give the hashes of the keys in a list; NULL with an error set. */
static Py_hash_t *
hashes_of(PyObject *keys)
{
    Py_ssize_t count = PyList_GET_SIZE(keys);
    Py_hash_t *hashes = PyMem_New(Py_hash_t, count ? count : 1);
    if (hashes == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t number = 0; number < count; number++) {
        hashes[number] = hash_of(PyList_GET_ITEM(keys, number));
        if (hashes[number] == -1) {
            PyMem_Free(hashes);
            return NULL;
        }
    }
    return hashes;
}

/* Give a dict of those keys that are there, with their values. */
static PyObject *
read_keys(Cache *self, PyObject *iterable)
{
    Now now;
    Dropped dropped = {0};
    PyObject *found = NULL, **values = NULL;
    PyObject *keys = PySequence_List(iterable);
    Py_hash_t *hashes = keys == NULL ? NULL : hashes_of(keys);
    Py_ssize_t count = keys == NULL ? 0 : PyList_GET_SIZE(keys), done = 0;
    if (hashes == NULL || ask_time(self, &now) < 0) {
        goto end;
    }
    values = PyMem_Calloc(count ? (size_t)count : 1, sizeof(PyObject *));
    if (values == NULL) {
        PyErr_NoMemory();
        goto end;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    for (; done < count; done++) {
        values[done] = read_value(self, PyList_GET_ITEM(keys, done), hashes[done], &now, &dropped);
        if (values[done] == NULL && PyErr_Occurred()) {
            break;
        }
    }
    Py_END_CRITICAL_SECTION();
    if (finish(self, &dropped, done < count) < 0 || done < count) {
        goto end;
    }
    found = PyDict_New();
    for (Py_ssize_t number = 0; found != NULL && number < count; number++) {
        if (values[number] != NULL &&
            PyDict_SetItem(found, PyList_GET_ITEM(keys, number), values[number]) < 0) {
            Py_CLEAR(found);
        }
    }
end:
    for (Py_ssize_t number = 0; values != NULL && number < count; number++) {
        Py_XDECREF(values[number]);
    }
    PyMem_Free(values);
    PyMem_Free(hashes);
    Py_XDECREF(keys);
    return found;
}

/* Remove keys; give how many were there, or -1. */
static Py_ssize_t
delete_keys(Cache *self, PyObject *iterable)
{
    Now now;
    Dropped dropped = {0};
    Py_ssize_t removed = -1;
    PyObject *keys = PySequence_List(iterable);
    Py_hash_t *hashes = keys == NULL ? NULL : hashes_of(keys);
    if (hashes != NULL && ask_time(self, &now) == 0) {
        uint32_t place = ABSENT;
        removed = 0;
        Py_BEGIN_CRITICAL_SECTION(self);
        for (Py_ssize_t number = 0; number < PyList_GET_SIZE(keys) && place != FAILED; number++) {
            place = find_alive(self, PyList_GET_ITEM(keys, number), hashes[number], &now, &dropped);
            if (place != ABSENT && place != FAILED) {
                take_out(self, place, DELETED, &dropped);
                self->deletes++;
                removed++;
            }
        }
        Py_END_CRITICAL_SECTION();
        removed = finish(self, &dropped, place == FAILED) < 0 || place == FAILED ? -1 : removed;
    }
    PyMem_Free(hashes);
    Py_XDECREF(keys);
    return removed;
}

/* Make what is to be written of a pair; the list keeps it alive. */
static int
prepare(Cache *self, PyObject *items, Py_ssize_t number, Writing *writing)
{
    PyObject *pair = PySequence_Tuple(PyList_GET_ITEM(items, number));
    if (pair == NULL) {
        return -1;
    }
    if (PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "a pair of key and value was expected, not %zd values",
                     PyTuple_GET_SIZE(pair));
        Py_DECREF(pair);
        return -1;
    }
    PyList_SetItem(items, number, pair);
    writing->key = PyTuple_GET_ITEM(pair, 0);
    writing->value = PyTuple_GET_ITEM(pair, 1);
    writing->hash = hash_of(writing->key);
    return writing->hash == -1 ? -1 : weigh(self, writing->key, writing->value, &writing->weight);
}

/* Write pairs of key and value. */
static int
write_pairs(Cache *self, PyObject *pairs, double seconds)
{
    Now now;
    Dropped dropped = {0};
    double when;
    int done = -1;
    PyObject *items = PySequence_List(pairs);
    Py_ssize_t count = items == NULL ? 0 : PyList_GET_SIZE(items), number = 0;
    Writing *writings = items == NULL ? NULL : PyMem_Calloc(count ? (size_t)count : 1, sizeof(Writing));
    if (writings == NULL) {
        if (items != NULL) {
            PyErr_NoMemory();
        }
        goto end;
    }
    for (; number < count; number++) {
        if (prepare(self, items, number, &writings[number]) < 0) {
            goto end;
        }
    }
    if (times(self, seconds, &now, &when) < 0) {
        goto end;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    for (number = 0, done = 1; number < count && done > 0; number++) {
        writings[number].seconds = seconds;
        writings[number].when = when;
        done = commit(self, &writings[number], &now, &dropped);
    }
    Py_END_CRITICAL_SECTION();
    done = finish(self, &dropped, done < 0) < 0 ? -1 : done;
end:
    PyMem_Free(writings);
    Py_XDECREF(items);
    return done < 0 ? -1 : 0;
}

/* ------------------------------------------------------------------ all */

/* Remove what has expired; give how many entries that were, or -1. */
static Py_ssize_t
sweep(Cache *self)
{
    Now now;
    Dropped dropped = {0};
    uint32_t removed;
    if (LIKELY(!has_deadlines(self))) {
        return 0;
    }
    if (ask_time(self, &now) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    removed = expire(self, &now, &dropped);
    Py_END_CRITICAL_SECTION();
    return finish(self, &dropped, false) < 0 ? -1 : (Py_ssize_t)removed;
}

/* Take all entries out at once; the lists that they are in become the chain of what was dropped. */
static void
take_all_out(Cache *self, Dropped *dropped)
{
    if (self->used == 0) {
        order_forget(self);
        return;
    }
    Entry *entries = self->entries;
    memset(self->index, 0, sizeof(uint32_t) << self->bits);
    for (uint32_t place = lies_after(self, 0), next; place != 0; place = next) {
        next = lies_after(self, place);
        drop(self, dropped, place, CLEARED);
        entries[place].hash = GONE;
        if (self->deadlines != NULL) {
            self->deadlines[place].when = INFINITY;
        }
    }
    for (uint32_t head = 0; head < HEADS; head++) {
        entries[head].next = entries[head].prev = head;
        self->lots[head] = 0;
    }
    self->lane_used = self->heap_used = self->used = 0;
    self->weight = 0;
    self->version++;
    order_forget(self);
}

/* Remove every entry. */
static int
clear_all(Cache *self)
{
    Now now;
    Dropped dropped = {0};
    int done;
    if (ask_time(self, &now) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    expire(self, &now, &dropped);
    self->deletes += self->used;
    take_all_out(self, &dropped);
    Py_END_CRITICAL_SECTION();
    done = finish(self, &dropped, false);
    Py_BEGIN_CRITICAL_SECTION(self);
    release_memory(self);
    Py_END_CRITICAL_SECTION();
    return done;
}

/* Remove the first to go; give its key and value in a tuple. */
static PyObject *
take_first(Cache *self)
{
    Now now;
    Dropped dropped = {0};
    PyObject *pair = PyTuple_New(2); /* before anything is removed */
    if (pair == NULL || ask_time(self, &now) < 0) {
        Py_XDECREF(pair);
        return NULL;
    }
    bool found;
    Py_BEGIN_CRITICAL_SECTION(self);
    expire(self, &now, &dropped);
    found = self->used != 0;
    if (found) {
        uint32_t place = next_victim(self, 0);
        PyTuple_SET_ITEM(pair, 0, Py_NewRef(self->entries[place].key));
        PyTuple_SET_ITEM(pair, 1, Py_NewRef(self->entries[place].value));
        take_out(self, place, DELETED, &dropped);
        self->deletes++;
    }
    Py_END_CRITICAL_SECTION();
    if (!found) {
        Py_CLEAR(pair);
        PyErr_SetString(PyExc_KeyError, "popitem(): the storage is empty");
    }
    return finished(self, &dropped, pair);
}

/* Give a list of all keys, the first to go at the beginning or at the end. */
static PyObject *
all_keys(Cache *self, bool backwards)
{
    if (sweep(self) < 0) {
        return NULL;
    }
    for (;;) {
        /* A new list may set the garbage collector off, and with it finalizers that change the cache. */
        Py_ssize_t count = (Py_ssize_t)self->used, number = 0;
        PyObject *keys = PyList_New(count);
        bool marked = has_marks(self);
        uint32_t *places = PyMem_New(uint32_t, marked && count ? 2 * (size_t)count : 1);
        if (keys == NULL || places == NULL) {
            Py_XDECREF(keys);
            PyMem_Free(places);
            return keys == NULL ? NULL : PyErr_NoMemory();
        }
        Py_BEGIN_CRITICAL_SECTION(self);
        const Entry *entries = self->entries;
        if (count != (Py_ssize_t)self->used || count == 0 || marked != has_marks(self)) {
            /* once more, or there is nothing to do */
        }
        else if (marked) {
            put_in_order(self, places);
            for (; number < count; number++) {
                uint32_t place = places[backwards ? count - 1 - number : number];
                PyList_SET_ITEM(keys, number, Py_NewRef(entries[place].key));
            }
        }
        else {
            uint32_t place = backwards ? entries[0].prev : entries[0].next;
            for (; place != 0; place = backwards ? entries[place].prev : entries[place].next) {
                PyList_SET_ITEM(keys, number++, Py_NewRef(entries[place].key));
            }
        }
        Py_END_CRITICAL_SECTION();
        PyMem_Free(places);
        if (number == count) {
            return keys;
        }
        Py_DECREF(keys);
    }
}

/* Give a list of key, value, weight, the seconds left (None is for ever) and mark of each entry, as they lie. */
static PyObject *
contents_of(Cache *self)
{
    typedef struct {
        PyObject *key, *value;
        uint64_t weight;
        double when;
        unsigned mark;
    } Part;
    double time = 0.0;
    PyObject *contents = NULL;
    if (sweep(self) < 0) {
        return NULL;
    }
    if (self->timer == NULL) {
        time = monotonic();
    }
    else if (call_timer(self, &time) < 0) {
        return NULL;
    }
    Py_ssize_t count = 0, number = 0;
    Part *parts;
    Py_BEGIN_CRITICAL_SECTION(self);
    parts = PyMem_New(Part, self->used ? self->used : 1);
    for (uint32_t place = parts ? lies_after(self, 0) : 0; place != 0; place = lies_after(self, place)) {
        const Entry *entry = &self->entries[place];
        parts[count++] = (Part){Py_NewRef(entry->key), Py_NewRef(entry->value), weight_of(self, place),
                                deadline_of(self, place), mark_of(self, place)};
    }
    Py_END_CRITICAL_SECTION();
    contents = parts == NULL ? PyErr_NoMemory() : PyList_New(count);
    for (; contents != NULL && number < count; number++) {
        const Part *part = &parts[number];
        unsigned long long weight = part->weight;
        PyObject *one =
            part->when == INFINITY
                ? Py_BuildValue("OOKOI", part->key, part->value, weight, Py_None, part->mark)
                : Py_BuildValue("OOKdI", part->key, part->value, weight, part->when - time, part->mark);
        if (one == NULL) {
            Py_CLEAR(contents);
            break;
        }
        PyList_SET_ITEM(contents, number, one);
    }
    for (number = 0; number < count; number++) {
        Py_DECREF(parts[number].key);
        Py_DECREF(parts[number].value);
    }
    PyMem_Free(parts);
    return contents;
}

/* Put one entry of another cache's contents in, uncounted. */
static int
fill_in(Cache *self, PyObject *key, PyObject *value, unsigned long long weight, double seconds, uint8_t mark)
{
    Now now;
    Dropped dropped = {0};
    int done = 0;
    Writing writing = {.key = key, .value = value, .weight = weight, .seconds = seconds};
    writing.copied = true;
    writing.mark = mark;
    writing.hash = hash_of(key);
    if (writing.hash == -1 || times(self, seconds, &now, &writing.when) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    uint32_t place = find_alive(self, key, writing.hash, &now, &dropped);
    if (place == FAILED || (place == ABSENT && insert(self, &writing) == FAILED)) {
        done = -1;
    }
    Py_END_CRITICAL_SECTION();
    return finish(self, &dropped, done < 0) < 0 ? -1 : done;
}

/* ------------------------------------------------------------------ for tests */

/* Say what is wrong with the table; NULL where nothing is. */
static const char *
fault_of(const Cache *self)
{
    uint32_t listed = 0, dated = 0, slots = 0, spare = 0, laned = 0;
    uint64_t weight = 0;
    const Entry *entries = self->entries;
    for (uint32_t head = 0; self->filled != 0 && head < HEADS; head++) {
        if (entries[entries[head].next].prev != head || entries[entries[head].prev].next != head) {
            return "the head of a list is broken";
        }
    }
    for (uint32_t place = lies_after(self, 0); place != 0; place = lies_after(self, place)) {
        if (place >= self->filled || entries[entries[place].next].prev != place || ++listed > self->used) {
            return "a list of entries is broken";
        }
        if (entries[place].hash == GONE || entries[place].key == NULL || entries[place].value == NULL) {
            return "an entry in the list is not whole";
        }
        uint32_t mask = self->mask, mix = mixed(entries[place].hash), turns = 0;
        for (uint32_t at = home_of(mix, self->bits); self->index[at] != (tag_of(mix, self->bits) | place);
             at = (at + 1) & mask) {
            if (self->index[at] == 0 || ++turns > mask) {
                return "an entry in the list is not in the index";
            }
        }
        weight += weight_of(self, place);
        dated += deadline_of(self, place) != INFINITY;
    }
    for (uint64_t at = 0; self->index != NULL && at < UINT64_C(1) << self->bits; at++) {
        slots += self->index[at] != 0;
    }
    for (uint32_t place = self->free; place != 0 && spare <= self->spare; place = entries[place].next) {
        spare++;
    }
    for (uint32_t at = 0; at < self->heap_used; at++) {
        const Deadline *one = &self->deadlines[self->heap[at]];
        if (one->next != IN_HEAP || one->prev != at ||
            (at && one->when < self->deadlines[self->heap[(at - 1) / 2]].when)) {
            return "the heap of deadlines is broken";
        }
    }
    for (uint32_t place = self->lane_used ? self->deadlines[0].next : 0, before = 0; place != 0;
         before = place, place = self->deadlines[place].next) {
        const Deadline *one = &self->deadlines[place];
        if (++laned > self->lane_used || one->prev != before ||
            (before && one->when < self->deadlines[before].when)) {
            return "the lane of deadlines is broken";
        }
    }
    return listed != self->used                        ? "the list has not all entries"
           : slots != self->used                       ? "the index has more than the list"
           : weight != self->weight                    ? "the weight is wrong"
           : spare != self->spare                      ? "the free places are miscounted"
           : laned != self->lane_used                  ? "the lane is miscounted"
           : dated != self->lane_used + self->heap_used ? "a deadline is lost"
           : self->filled > self->room                 ? "there are more places than room"
           : self->way != way_of(self)                 ? "the short way is another"
                                                       : fault_of_order(self);
}

#endif
