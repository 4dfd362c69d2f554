/* The order of a cache: lists through its places, the first to go at the beginning, and a mark for each place.

   A list is doubly linked and closed by a head, one of the first places: the `next` of the head is the first
   to go, its `prev` the last. A policy has one list or several, its queues, of which `_policy.h` says what
   they are for; queue 0 is the one that all policies have.

   A mark is a byte: the queue in its upper half, and in the lower one how often the entry was used, as far as
   the policy counts. Policies that have neither, LRU and FIFO, have no marks.

   Cost: O(1) each. No code of the user's runs here. */

#ifndef PYSTORAGE_ORDER_H
#define PYSTORAGE_ORDER_H

#include "_table.h"

#define USES 0x0Fu
#define QUEUE_SHIFT 4

static inline void
order_remove(Cache *self, uint32_t place)
{
    Entry *entries = self->entries;
    uint32_t prev = entries[place].prev, next = entries[place].next;
    entries[prev].next = next;
    entries[next].prev = prev;
}

static inline void
order_append(Cache *self, uint32_t head, uint32_t place)
{
    Entry *entries = self->entries;
    uint32_t last = entries[head].prev;
    entries[place].prev = last;
    entries[place].next = head;
    entries[last].next = place;
    entries[head].prev = place;
}

/* Give the first of a queue, passing over one entry; ABSENT if there is none. */
static inline uint32_t
first_of(const Cache *self, uint32_t queue, uint32_t keep)
{
    uint32_t place = self->entries[queue].next;
    if (UNLIKELY(place == keep) && place >= HEADS) {
        place = self->entries[place].next;
    }
    return place < HEADS ? ABSENT : place;
}

/* ------------------------------------------------------------------ marks and queues */

static inline unsigned
uses_of(const Cache *self, uint32_t place)
{
    return self->marks[place] & USES;
}

static inline uint32_t
queue_of(const Cache *self, uint32_t place)
{
    return (uint32_t)self->marks[place] >> QUEUE_SHIFT;
}

/* Put an entry at the end of a queue. */
static inline void
queue_append(Cache *self, uint32_t queue, uint32_t place, unsigned uses)
{
    self->marks[place] = (uint8_t)(queue << QUEUE_SHIFT | uses);
    self->lots[queue] += weight_of(self, place);
    order_append(self, queue, place);
}

static inline void
queue_remove(Cache *self, uint32_t place)
{
    self->lots[queue_of(self, place)] -= weight_of(self, place);
    order_remove(self, place);
}

/* Move an entry to the end of a queue, of its own or another. */
static inline void
queue_move(Cache *self, uint32_t queue, uint32_t place, unsigned uses)
{
    queue_remove(self, place);
    queue_append(self, queue, place, uses);
}

#endif
