/* Memory that is given back when a limit was lowered.

   What went left free places among those that are still taken. The entries in the last ones move into these, and
   all arrays are cut to what is left; the index is made anew. An operation that still tells of what it dropped
   holds places (see `_callbacks.h`), so then this is put off until it has told. Without memory for another index
   all stays as it is. What the policies know of keys that are not in the table keeps its size.

   Cost: O(n), and a limit was lowered by at least a part of that.

   No code of the user's runs here. */

#ifndef PYSTORAGE_SHRINK_H
#define PYSTORAGE_SHRINK_H

#include "_deadlines.h"

/* Move an entry to a free place; both stay in no list of places. */
static inline void
move_entry(Cache *self, uint32_t from, uint32_t to)
{
    Entry *entries = self->entries, *moved = &entries[to];
    *moved = entries[from];
    entries[from] = (Entry){.hash = GONE};
    entries[moved->prev].next = to;
    entries[moved->next].prev = to;
    if (self->hand == from) {
        self->hand = to;
    }
    if (self->marks != NULL) {
        self->marks[to] = self->marks[from];
    }
    if (self->weights != NULL) {
        self->weights[to] = self->weights[from];
    }
    if (self->deadlines != NULL) {
        Deadline *deadlines = self->deadlines, *one = &deadlines[to];
        *one = deadlines[from];
        deadlines[from].when = INFINITY;
        if (one->when == INFINITY) {
            return;
        }
        if (one->next == IN_HEAP) {
            self->heap[one->prev] = to;
        }
        else {
            deadlines[one->prev].next = to;
            deadlines[one->next].prev = to;
        }
    }
}

/* Move the entries to the first places. */
static void
move_together(Cache *self)
{
    uint32_t end = HEADS + self->used, to = HEADS;
    for (uint32_t from = end; from < self->filled; from++) {
        if (self->entries[from].hash != GONE) {
            while (self->entries[to].hash != GONE) {
                to++;
            }
            move_entry(self, from, to);
        }
    }
    self->filled = end;
    self->free = self->spare = 0;
}

/* Cut an array; where that is refused it stays as long as it is. */
static inline void
cut_array(void **array, size_t count, size_t size)
{
    if (*array != NULL) {
        (void)resize_array(array, count, size);
    }
}

/* Give back what is not needed, if a limit was lowered (`slack`) and no operation holds a dropped entry. */
static OUT_OF_LINE void
give_back(Cache *self)
{
    if (self->filled != 0 && self->used + self->spare != self->filled - HEADS) {
        return;
    }
    self->slack = false;
    uint64_t room = (uint64_t)self->used + self->used / 4 + HEADS + 3;
    if (self->limited && self->weigher == NULL && room > self->limit + HEADS + 3) {
        room = self->limit + HEADS + 3;
    }
    if (self->used == 0) {
        release_memory(self);
        return;
    }
    if (self->room < 64 || room > self->room - self->room / 4) {
        return;
    }
    uint32_t bits = bits_for((uint32_t)room, MIN_BITS);
    uint32_t *index = PyMem_Calloc((size_t)1 << bits, sizeof(uint32_t));
    if (index == NULL) {
        return;
    }
    move_together(self);
    (void)resize_entries(self, room);
    cut_array((void **)&self->deadlines, room, sizeof(Deadline));
    cut_array((void **)&self->marks, room, sizeof(uint8_t));
    cut_array((void **)&self->weights, room, sizeof(uint64_t));
    if (self->heap_room > self->heap_used + 8) {
        cut_array((void **)&self->heap, self->heap_used + 8, sizeof(uint32_t));
        self->heap_room = self->heap_used + 8;
    }
    self->room = (uint32_t)room;
    index_exchange(self, index, bits);
}

#endif
