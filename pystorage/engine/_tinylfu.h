/* W-TinyLFU, after: Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
   Transactions on Storage 2017.

   A new entry goes into the window, an LRU of a hundredth of the room. The one that was there for longest has
   to show that it is asked for more often than the first to go of the main part: the one of the two that is
   asked for less leaves, the other one stays in the main part. That one is in two lists, each an LRU: what was
   used there is protected, in up to four fifths of it, and gives way only to others that are; the first to go
   is one on probation while there is one.

   Cost: O(1) amortized. */

#ifndef PYSTORAGE_TINYLFU_H
#define PYSTORAGE_TINYLFU_H

#include "_sketch.h"

enum { WINDOW, PROBATION, PROTECTED };

/* Share the room out: so much for the window, and of what is left four fifths for what is protected. */
static void
tinylfu_share(Cache *self, uint64_t window)
{
    uint64_t main = self->limit > window ? self->limit - window : 0;
    self->shares[WINDOW] = self->limited ? window : UINT64_MAX;
    self->shares[PROTECTED] = self->limited ? main - main / 5 - (main % 5 != 0) : UINT64_MAX;
}

/* Bring the lists within their shares. The window keeps what is alone there, however heavy. */
static OUT_OF_LINE void
tinylfu_settle(Cache *self)
{
    const Entry *entries = self->entries;
    while (UNLIKELY(self->lots[WINDOW] > self->shares[WINDOW]) && entries[WINDOW].next != entries[WINDOW].prev) {
        queue_move(self, PROBATION, entries[WINDOW].next, 0);
    }
    while (UNLIKELY(self->lots[PROTECTED] > self->shares[PROTECTED])) {
        queue_move(self, PROBATION, entries[PROTECTED].next, 0);
    }
}

static OUT_OF_LINE void
tinylfu_use(Cache *self, uint32_t place)
{
    sketch_count(self, self->entries[place].hash);
    queue_move(self, queue_of(self, place) == WINDOW ? WINDOW : PROTECTED, place, 0);
    tinylfu_settle(self);
}

/* Whether an entry of the window is asked for more often than one of the main part. */
static inline bool
tinylfu_wins(const Cache *self, uint32_t one, uint32_t other)
{
    return frequency_of(self, self->entries[one].hash) > frequency_of(self, self->entries[other].hash);
}

static OUT_OF_LINE uint32_t
tinylfu_victim(Cache *self, uint32_t keep)
{
    uint32_t one = first_of(self, WINDOW, keep), other = first_of(self, PROBATION, keep);
    if (other == ABSENT) {
        other = first_of(self, PROTECTED, keep);
    }
    if (one == ABSENT || other == ABSENT) {
        return one != ABSENT ? one : other != ABSENT ? other : keep;
    }
    if (tinylfu_wins(self, one, other)) {
        queue_move(self, PROBATION, one, 0);
        return other;
    }
    return one;
}

/* Put all places in the order in which they would go; the array has another one behind it. */
static void
tinylfu_order(const Cache *self, uint32_t *places)
{
    const Entry *entries = self->entries;
    uint32_t *probation = places + self->used, begin = 0, end = 0;
    uint32_t one = entries[WINDOW].next, rest = entries[PROTECTED].next;
    for (uint32_t place = entries[PROBATION].next; place != PROBATION; place = entries[place].next) {
        probation[end++] = place;
    }
    for (uint32_t count = 0; count < self->used; count++) {
        uint32_t other = begin < end ? probation[begin] : rest;
        if (one >= HEADS && (other < HEADS || !tinylfu_wins(self, one, other))) {
            places[count] = one;
            one = entries[one].next;
            continue;
        }
        places[count] = other;
        if (begin < end) {
            begin++;
        }
        else {
            rest = entries[rest].next;
        }
        if (one >= HEADS) {
            probation[end++] = one;
            one = entries[one].next;
        }
    }
}

#endif
