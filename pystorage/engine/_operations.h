/* The operations on one key, each in this order: what may run code of the user's (hash, weigher, timer), then
   the lookup (`__eq__`), then the change, during which no other code runs, then `finish`.

   The GIL, or a critical section where there is none, keeps other threads out; both may be given up while
   code of the user's runs, so what was read before such code is looked at again after it.

   Code of the user's runs in all of these but `take_out`, `make_room`, `expire`, and `replace` and `insert` unless
   they fail. */

#ifndef PYSTORAGE_OPERATIONS_H
#define PYSTORAGE_OPERATIONS_H

#include "_callbacks.h"
#include "_policy.h"

/* ------------------------------------------------------------------ removing */

/* Take an entry out of the table; it is dropped for a cause and stays at its place until `finish`. */
static inline void
take_out(Cache *self, uint32_t place, enum cause cause, Dropped *dropped)
{
    index_remove(self, place);
    order_leave(self, place);
    forget_deadline(self, place);
    self->weight -= weight_of(self, place);
    self->used--;
    self->version++;
    self->entries[place].hash = GONE;
    drop(self, dropped, place, cause);
}

/* Take out what has expired; say how many entries that were. */
static inline uint32_t
expire(Cache *self, Now *now, Dropped *dropped)
{
    uint32_t place, removed = 0;
    while (has_deadlines(self) && (place = next_due(self, now)) != ABSENT) {
        take_out(self, place, EXPIRED, dropped);
        removed++;
    }
    self->expirations += removed;
    return removed;
}

/* Take out what is over the limit, and before that what has expired; the entry at `keep`, which was just
   written, is the last to go. */
static inline void
make_room(Cache *self, uint32_t keep, Now *now, Dropped *dropped)
{
    if (!self->limited || LIKELY(self->weight <= self->limit && self->limit != 0)) {
        order_settle(self);
        return;
    }
    expire(self, now, dropped);
    while (self->used != 0 && (self->weight > self->limit || self->limit == 0)) {
        uint32_t place = next_victim(self, keep);
        order_evicted(self, place, self->used);
        take_out(self, place, EVICTED, dropped);
        self->evictions++;
        prefetch_victim(self);
    }
    order_settle(self);
}

/* ------------------------------------------------------------------ reading */

/* Give the place of a key that is alive, ABSENT or FAILED; what has expired is taken out. */
static inline uint32_t
find_alive(Cache *self, PyObject *key, Py_hash_t hash, Now *now, Dropped *dropped)
{
    uint32_t place = find(self, key, hash);
    if (LIKELY(self->deadlines == NULL) || place == ABSENT || place == FAILED) {
        return place;
    }
    if (has_come(self->deadlines[place].when, now)) {
        take_out(self, place, EXPIRED, dropped);
        self->expirations++;
        return ABSENT;
    }
    return place;
}

/* Give a new reference to the value of a key, and count it; NULL without an error if it is absent. */
static inline PyObject *
read_value(Cache *self, PyObject *key, Py_hash_t hash, Now *now, Dropped *dropped)
{
    uint32_t place = find_alive(self, key, hash, now, dropped);
    if (UNLIKELY(place == ABSENT || place == FAILED)) {
        self->misses += place == ABSENT;
        return NULL;
    }
    self->hits++;
    order_use(self, place);
    return Py_NewRef(self->entries[place].value);
}

/* Read a value by the shortest way, on which no code of the user's runs: where its key need not be asked whether it
   is equal, there are no deadlines, and a use is a short matter to the policy. Give the place with a new reference
   to the value, or ABSENT, both counted; FAILED where it is not as simple as that, with nothing done. */
static ALWAYS_INLINE uint32_t
read_quickly(Cache *self, PyObject *key, Py_hash_t hash, PyObject **value)
{
    uint32_t place = FAILED;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (LIKELY(self->way != NO_SHORT_WAY)) {
        place = find_quickly(self, key, hash);
        if (LIKELY(place != ABSENT && place != FAILED)) {
            *value = Py_NewRef(self->entries[place].value);
            self->hits++;
            order_use_quickly(self, place);
        }
        else {
            self->misses += place == ABSENT;
        }
    }
    Py_END_CRITICAL_SECTION();
    return place;
}

static OUT_OF_LINE PyObject *
read_key(Cache *self, PyObject *key, Py_hash_t hash)
{
    Now now;
    Dropped dropped = {0};
    PyObject *value;
    if (ask_time(self, &now) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    value = read_value(self, key, hash, &now, &dropped);
    Py_END_CRITICAL_SECTION();
    return finished(self, &dropped, value);
}

/* What a look finds that is no use: the value if it is wanted, the deadline; 1, 0 if absent, or -1. */
static inline int
look_at_key(Cache *self, PyObject *key, PyObject **value, double *when)
{
    Now now;
    Dropped dropped = {0};
    uint32_t place;
    Py_hash_t hash = hash_of(key);
    if (hash == -1 || ask_time(self, &now) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    place = find_alive(self, key, hash, &now, &dropped);
    if (place != ABSENT && place != FAILED) {
        if (value != NULL) {
            *value = Py_NewRef(self->entries[place].value);
        }
        if (when != NULL) {
            *when = deadline_of(self, place);
        }
    }
    Py_END_CRITICAL_SECTION();
    if (finish(self, &dropped, place == FAILED) < 0 || place == FAILED) {
        if (value != NULL) {
            Py_CLEAR(*value);
        }
        return -1;
    }
    return place != ABSENT;
}

/* Remove a key and give its value; NULL without an error if it is absent. */
static inline PyObject *
take_key(Cache *self, PyObject *key)
{
    Now now;
    Dropped dropped = {0};
    PyObject *value = NULL;
    Py_hash_t hash = hash_of(key);
    if (hash == -1 || ask_time(self, &now) < 0) {
        return NULL;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    uint32_t place = find_alive(self, key, hash, &now, &dropped);
    if (place != ABSENT && place != FAILED) {
        value = Py_NewRef(self->entries[place].value);
        take_out(self, place, DELETED, &dropped);
        self->deletes++;
    }
    Py_END_CRITICAL_SECTION();
    return finished(self, &dropped, value);
}

/* ------------------------------------------------------------------ writing */

/* What is to be written. */
typedef struct {
    PyObject *key;
    Py_hash_t hash;
    PyObject *value;
    uint64_t weight;
    double seconds; /* how long it lives, INFINITY being for ever */
    double when;    /* when that is over */
    bool only_new;
    bool keeps_deadline;
    bool copied;  /* from another cache, where it had this mark */
    uint8_t mark;
} Writing;

/* Refuse what would make all weigh too much; nothing has changed, and nothing may afterwards. Code of the user's
   runs, the repr of the key. */
static OUT_OF_LINE int
too_heavy(Cache *self, PyObject *key)
{
    PyObject *mine = Py_NewRef(key);
    refuse("beyond_measure", (PyObject *)self, mine, NULL);
    Py_DECREF(mine);
    return -1;
}

/* Give an entry another value; -1 without memory, with all as it was. */
static inline int
replace(Cache *self, uint32_t place, const Writing *writing, Now *now, Dropped *dropped)
{
    bool told = self->on_evict != NULL || dropped->old != NULL;
    if (UNLIKELY(told) && reserve(self, 1) < 0) {
        return -1;
    }
    if (!writing->keeps_deadline && reserve_deadline(self, writing->when) < 0) {
        return -1;
    }
    if (self->weights != NULL) {
        uint64_t others = self->weight - self->weights[place];
        if (others > INT64_MAX - writing->weight && !self->limited) {
            return too_heavy(self, self->entries[place].key);
        }
        order_reweigh(self, place, self->weights[place], writing->weight);
        self->weight = others + writing->weight;
        self->weights[place] = writing->weight;
    }
    PyObject *old = self->entries[place].value;
    if (old != writing->value) {
        self->entries[place].value = Py_NewRef(writing->value);
        if (UNLIKELY(told)) {
            uint32_t other = take_place(self, self->entries[place].key, old);
            Py_DECREF(old); /* which the other place now holds */
            drop(self, dropped, other, REPLACED);
        }
        else {
            dropped->old = old;
        }
    }
    if (!writing->keeps_deadline && (writing->when != INFINITY || has_deadlines(self))) {
        set_deadline(self, place, writing->when, writing->seconds);
    }
    order_use(self, place);
    self->sets++;
    make_room(self, place, now, dropped);
    return 1;
}

/* Put a new entry in and give its place; FAILED without memory, with all as it was. */
static inline uint32_t
insert(Cache *self, const Writing *writing)
{
    if (reserve(self, 1) < 0 || reserve_deadline(self, writing->when) < 0 || order_reserve(self) < 0) {
        return FAILED;
    }
    if (self->weights != NULL && self->weight > INT64_MAX - writing->weight && !self->limited) {
        (void)too_heavy(self, writing->key);
        return FAILED;
    }
    uint32_t place = take_place(self, writing->key, writing->value);
    self->entries[place].hash = writing->hash;
    index_insert(self, place);
    if (self->weights != NULL) {
        self->weights[place] = writing->weight;
    }
    self->weight += weight_of(self, place);
    if (LIKELY(!writing->copied)) {
        order_enter(self, order_admit(self, writing->hash), place);
    }
    else {
        order_restore(self, place, writing->mark);
    }
    if (writing->when != INFINITY) {
        set_deadline(self, place, writing->when, writing->seconds);
    }
    self->used++;
    self->version++;
    return place;
}

/* Make an entry, or give the one that is there another value; 1, or 0 if that was not to be, or -1. */
static inline int
commit(Cache *self, const Writing *writing, Now *now, Dropped *dropped)
{
    uint32_t place = find_alive(self, writing->key, writing->hash, now, dropped);
    if (UNLIKELY(place == FAILED)) {
        return -1;
    }
    if (place != ABSENT) {
        return writing->only_new ? 0 : replace(self, place, writing, now, dropped);
    }
    place = insert(self, writing);
    if (UNLIKELY(place == FAILED)) {
        return -1;
    }
    self->sets++;
    make_room(self, place, now, dropped);
    order_arrived(self, place);
    return 1;
}

static OUT_OF_LINE int
write_key(Cache *self, PyObject *key, PyObject *value, double seconds, bool only_new)
{
    Now now;
    Dropped dropped = {0};
    Writing writing = {.key = key, .value = value, .seconds = seconds, .only_new = only_new};
    int done;
    if (only_new && (done = look_at_key(self, key, NULL, NULL)) != 0) {
        return done < 0 ? -1 : 0;
    }
    writing.hash = hash_of(key);
    if (writing.hash == -1 || weigh(self, key, value, &writing.weight) < 0 ||
        times(self, seconds, &now, &writing.when) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    done = commit(self, &writing, &now, &dropped);
    Py_END_CRITICAL_SECTION();
    return finish(self, &dropped, done < 0) < 0 ? -1 : done;
}

/* ------------------------------------------------------------------ reading, then writing */

/* An entry as it was read, which other code may have changed since; key and value are held. */
typedef struct {
    uint32_t place;
    PyObject *key;
    PyObject *value;
} Found;

/* Read the entry of a key; 1, 0 if it is absent, or -1. */
static int
hold(Cache *self, PyObject *key, Now *now, Dropped *dropped, Found *found)
{
    Py_hash_t hash = hash_of(key);
    if (hash == -1) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    found->place = find_alive(self, key, hash, now, dropped);
    if (found->place != ABSENT && found->place != FAILED) {
        found->key = Py_NewRef(self->entries[found->place].key);
        found->value = Py_NewRef(self->entries[found->place].value);
    }
    Py_END_CRITICAL_SECTION();
    return found->place == FAILED ? -1 : found->place != ABSENT;
}

static void
let_go(Found *found)
{
    Py_CLEAR(found->key);
    Py_CLEAR(found->value);
}

/* Replace the value of an entry if it is still that very value; 1, 0 if it is not, or -1. */
static int
replace_found(Cache *self, const Found *found, const Writing *writing, Now *now, Dropped *dropped)
{
    int done = 0;
    Py_BEGIN_CRITICAL_SECTION(self);
    if (found->place < self->filled) {
        Entry *entry = &self->entries[found->place];
        if (entry->hash != GONE && entry->key == found->key && entry->value == found->value) {
            done = replace(self, found->place, writing, now, dropped);
        }
    }
    Py_END_CRITICAL_SECTION();
    return done;
}

/* Replace a value that is or equals the old one; 1, 0 if it does not, or -1. */
static int
swap_key(Cache *self, PyObject *key, PyObject *old, PyObject *new, double seconds, bool keep)
{
    Dropped dropped = {0};
    Found found = {0};
    int done = 0;
    for (;;) {
        Now now;
        Writing writing = {.value = new, .seconds = seconds, .keeps_deadline = keep};
        if ((done = times(self, seconds, &now, &writing.when)) < 0 ||
            (done = hold(self, key, &now, &dropped, &found)) <= 0) {
            break;
        }
        done = found.value == old ? 1 : PyObject_RichCompareBool(found.value, old, Py_EQ);
        if (done <= 0) {
            break;
        }
        done = weigh(self, found.key, new, &writing.weight);
        if (done < 0 || (done = replace_found(self, &found, &writing, &now, &dropped)) != 0) {
            break;
        }
        let_go(&found);
    }
    done = finish(self, &dropped, done < 0) < 0 ? -1 : done;
    let_go(&found);
    return done;
}

/* Add to an integer and give the sum; one that is absent is written with the seconds given. */
static PyObject *
add_to_key(Cache *self, PyObject *key, PyObject *by, double seconds)
{
    Dropped dropped = {0};
    Found found = {0};
    PyObject *sum = NULL;
    for (;;) {
        Now now;
        Writing writing = {.keeps_deadline = true};
        int done = ask_time(self, &now);
        if (done < 0 || (done = hold(self, key, &now, &dropped, &found)) < 0) {
            break;
        }
        if (done == 0) {
            if ((done = write_key(self, key, by, seconds, true)) != 0) {
                sum = done < 0 ? NULL : Py_NewRef(by);
                break;
            }
            continue;
        }
        if (!PyLong_Check(found.value) || PyBool_Check(found.value)) {
            refuse("no_integer", key, found.value, NULL);
            break;
        }
        sum = PyLong_Type.tp_as_number->nb_add(found.value, by);
        writing.value = sum;
        if (sum == NULL || (done = weigh(self, found.key, sum, &writing.weight)) < 0 ||
            (done = replace_found(self, &found, &writing, &now, &dropped)) < 0) {
            Py_CLEAR(sum);
            break;
        }
        if (done > 0) {
            break;
        }
        Py_CLEAR(sum);
        let_go(&found);
    }
    sum = finished(self, &dropped, sum);
    let_go(&found);
    return sum;
}

/* Give an entry another deadline; 1, 0 if it is absent, or -1. */
static int
redate_key(Cache *self, PyObject *key, double seconds, bool use)
{
    Now now;
    Dropped dropped = {0};
    double when;
    int done;
    Py_hash_t hash = hash_of(key);
    if (hash == -1 || times(self, seconds, &now, &when) < 0) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    uint32_t place = find_alive(self, key, hash, &now, &dropped);
    done = place == FAILED ? -1 : place != ABSENT;
    if (done > 0 && (done = reserve_deadline(self, when)) == 0) {
        done = 1;
        if (self->deadlines != NULL) {
            set_deadline(self, place, when, seconds);
        }
        if (use) {
            order_use(self, place);
        }
    }
    Py_END_CRITICAL_SECTION();
    return finish(self, &dropped, done < 0) < 0 ? -1 : done;
}

#endif
