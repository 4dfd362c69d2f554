/* The order of a cache: a list through its places, the first to go at the beginning.

   It is doubly linked and closed: the `next` of the head (place 0) is the first to go, its `prev` the last.
   Entries come in at the end. With recency, one that is used is moved there.

   Cost: O(1) each. No code of the user's runs here. */

#ifndef PYSTORAGE_ORDER_H
#define PYSTORAGE_ORDER_H

#include "_table.h"

static inline void
order_remove(Cache *self, uint32_t place)
{
    Entry *entries = self->entries;
    uint32_t prev = entries[place].prev, next = entries[place].next;
    entries[prev].next = next;
    entries[next].prev = prev;
}

static inline void
order_append(Cache *self, uint32_t place)
{
    Entry *entries = self->entries;
    uint32_t last = entries[0].prev;
    entries[place].prev = last;
    entries[place].next = 0;
    entries[last].next = place;
    entries[0].prev = place;
}

/* Note that an entry was used. */
static inline void
order_use(Cache *self, uint32_t place)
{
    if (!self->by_age && self->entries[0].prev != place) {
        order_remove(self, place);
        order_append(self, place);
    }
}

#endif
