/* W-TinyLFU, after: Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
   Transactions on Storage 2017. The window's size, after: Gil Einziger, Ohad Eytan, Roy Friedman, Ben Manes:
   Adaptive Software Cache Management. Middleware 2018.

   A new entry goes into the window, an LRU of a hundredth of the room at first. The one that was there for longest has
   to show that it is asked for more often than the first to go of the main part: the one of the two that is
   asked for less leaves, the other one stays in the main part. That one is in two lists, each an LRU: what was
   used there is protected, in up to four fifths of it, and gives way only to others that are; the first to go
   is one on probation while there is one.

   The window climbs the hill of hits: after each sample of ten times as many requests as there are entries, and
   twenty thousand at least, its share moves by a step, on in the same direction if there were no fewer hits than in
   the sample before, else back. Steps begin with an eighth of the room and become smaller by a fiftieth each
   time; where the hits change by a twentieth of the sample, they are as large as at first again. The window has
   a hundredth of the room at least, and four fifths at most.

   Cost: O(1) amortized. */

#ifndef PYSTORAGE_TINYLFU_H
#define PYSTORAGE_TINYLFU_H

#include "_sketch.h"

enum { WINDOW, PROBATION, PROTECTED };

#define SAMPLE_LEAST 20000u
#define FIRST_STEP 0.125
#define DECAY 0.98

/* The least and the most that the window may have. */
static inline uint64_t
window_least(const Cache *self)
{
    return self->limit / 100 ? self->limit / 100 : 1;
}

static inline uint64_t
window_most(const Cache *self)
{
    uint64_t most = self->limit - self->limit / 5 - (self->limit % 5 != 0), least = window_least(self);
    return most > least ? most : least;
}

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

/* Give the window another share, and take what it grows by from the main part. */
static void
tinylfu_move(Cache *self, int64_t by)
{
    const Entry *entries = self->entries;
    uint64_t window = self->shares[WINDOW], least = window_least(self), most = window_most(self);
    if (by < 0) {
        tinylfu_share(self, window - least > (uint64_t)-by ? window - (uint64_t)-by : least);
    }
    else {
        tinylfu_share(self, most - window > (uint64_t)by ? window + (uint64_t)by : most);
    }
    tinylfu_settle(self);
    for (;;) {
        uint32_t place = entries[PROBATION].next >= HEADS ? entries[PROBATION].next : entries[PROTECTED].next;
        if (place < HEADS || self->lots[WINDOW] + weight_of(self, place) > self->shares[WINDOW]) {
            return;
        }
        queue_move(self, WINDOW, place, 0);
    }
}

/* Set out with the window as it is at first. */
static void
tinylfu_limit(Cache *self)
{
    tinylfu_share(self, window_least(self));
    self->climb_step = (double)self->limit * FIRST_STEP;
    climb_begin(self);
}

/* Take a step at the end of a sample. */
static OUT_OF_LINE void
tinylfu_climb(Cache *self)
{
    int64_t hits = (int64_t)self->climb_hits, before = self->climb_before, asked = (int64_t)self->climb_asked;
    self->climb_asked = self->climb_hits = 0;
    self->climb_before = hits;
    if (before < 0) {
        return;
    }
    int64_t change = hits - before;
    double step = change < 0 ? -self->climb_step : self->climb_step;
    tinylfu_move(self, (int64_t)step);
    double first = (double)self->limit * FIRST_STEP;
    bool large = (change < 0 ? -change : change) * 20 >= asked;
    self->climb_step = large ? (step < 0 ? -first : first) : step * DECAY;
}

/* Count a request. */
static inline void
tinylfu_count(Cache *self, Py_hash_t hash, bool hit)
{
    sketch_count(self, hash);
    self->climb_hits += hit;
    uint64_t sample = (uint64_t)SAMPLE * self->sketch_room;
    if (UNLIKELY(++self->climb_asked >= (sample > SAMPLE_LEAST ? sample : SAMPLE_LEAST)) && self->limited) {
        tinylfu_climb(self);
    }
}

static OUT_OF_LINE void
tinylfu_use(Cache *self, uint32_t place)
{
    tinylfu_count(self, self->entries[place].hash, true);
    queue_move(self, queue_of(self, place) == WINDOW ? WINDOW : PROTECTED, place, 0);
    tinylfu_settle(self);
}

/* Put an entry in as it was in another cache. The window has at least what it held there. */
static void
tinylfu_restore(Cache *self, uint32_t place, unsigned mark)
{
    uint32_t queue = mark >> QUEUE_SHIFT < HEADS ? mark >> QUEUE_SHIFT : PROTECTED;
    sketch_raise(self->sketch, self->sketch_blocks, self->entries[place].hash, mark & SKETCH_MOST);
    queue_append(self, queue, place, 0);
    uint64_t lot = self->lots[WINDOW], most = window_most(self);
    if (lot > self->shares[WINDOW] && self->entries[WINDOW].next != self->entries[WINDOW].prev) {
        tinylfu_share(self, lot < most ? lot : most);
    }
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
