/* The shortest way of `cache[key] = value`, which most caches go: no weigher, no `on_evict`, no deadlines.

   Then a write drops one value or one entry, and there is nobody to tell of it: a value is exchanged in its
   place, and a new entry in a full table moves into the place of the first to go, which allocates nothing.
   Whatever is not as simple as that is left to `write_key`.

   Code of the user's runs in the hash and the lookup, as everywhere, and at the end, when the table is whole
   and what was dropped is let go of. */

#ifndef PYSTORAGE_PLAIN_H
#define PYSTORAGE_PLAIN_H

#include "_operations.h"

/* Note whether the settings are of that kind. */
static inline void
note_plain(Cache *self)
{
    self->plain = self->weigher == NULL && self->on_evict == NULL && !self->mortal &&
                  !(self->limited && self->limit == 0);
}

/* Put a new entry into the place of the first to go, and into a slot if one is known; what was there is now the
   caller's. */
static inline void
move_in(Cache *self, PyObject *key, Py_hash_t hash, uint32_t slot, PyObject *value, PyObject **old_key,
        PyObject **old)
{
    unsigned mark = order_admit(self, hash);
    uint32_t place = next_victim(self, 0);
    Entry *entry = &self->entries[place];
    order_evicted(self, place, self->used + 1);
    order_leave(self, place);
    Py_hash_t old_hash = entry->hash;
    uint32_t new_tag = tag_of(mixed(hash), self->bits), old_tag = tag_of(mixed(old_hash), self->bits);
    entry->hash = hash;
    if (LIKELY(slot != NO_SLOT && new_tag != old_tag)) {
        self->index[slot] = new_tag | place; /* first, as taking the other out may move it */
        index_take(self, place, old_hash);
    }
    else {
        index_take(self, place, old_hash);
        index_insert(self, place);
    }
    *old_key = entry->key;
    *old = entry->value;
    entry->key = Py_NewRef(key);
    entry->value = Py_NewRef(value);
    order_enter(self, mark, place);
    order_settle(self);
    self->version++;
    self->evictions++;
    prefetch_victim(self);
}

static inline int
write_plainly(Cache *self, PyObject *key, PyObject *value)
{
    PyObject *old_key = NULL, *old = NULL;
    bool done = false;
    uint32_t place, slot;
    Py_hash_t hash = hash_of(key);
    if (UNLIKELY(hash == -1)) {
        return -1;
    }
    Py_BEGIN_CRITICAL_SECTION(self);
    place = find_or_slot(self, key, hash, &slot);
    if (LIKELY(self->plain && self->deadlines == NULL)) { /* still so, after the lookup */
        if (place != ABSENT && place != FAILED) {
            old = self->entries[place].value;
            self->entries[place].value = Py_NewRef(value);
            order_use(self, place);
            done = true;
        }
        else if (place == ABSENT && self->policy != S3FIFO && self->limited && self->used == self->limit) {
            move_in(self, key, hash, slot, value, &old_key, &old);
            done = true;
        }
        self->sets += done;
    }
    Py_END_CRITICAL_SECTION();
    if (LIKELY(done)) {
        Py_XDECREF(old_key);
        Py_DECREF(old);
        return 0;
    }
    return place == FAILED ? -1 : write_key(self, key, value, INFINITY, false);
}

/* Write as `[]=` does: with the life that is every entry's. */
static inline int
write_item(Cache *self, PyObject *key, PyObject *value)
{
    if (LIKELY(self->plain && self->deadlines == NULL)) {
        return write_plainly(self, key, value);
    }
    return write_key(self, key, value, self->mortal ? self->life : INFINITY, false);
}

#endif
