/* W-TinyLFU, after: Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM
   Transactions on Storage 2017. The window that adapts, after: Gil Einziger, Ohad Eytan, Roy Friedman, Ben Manes:
   Adaptive Software Cache Management. Middleware 2018.

   A new entry goes into the window, an LRU of a hundredth of the room at first. The one that was there for longest has
   to show that it is asked for more often than the first to go of the main part: the one of the two that is
   asked for less leaves, the other one stays in the main part. That one is in two lists, each an LRU: what was
   used there is protected, in up to four fifths of it, and gives way only to others that are; the first to go
   is one on probation while there is one.

   How often an entry was asked for, up to 15 times, is in the lower half of its mark; of what is not in the
   table the sketch knows it. A new entry was asked for just now, and the other one was not: so more often is more
   often by two. Else, in a loop over more than there is room for, where all are asked for equally often, each that
   comes back would push out the one that is due next. One of 64 pairs that differ by one is let through, by their
   hashes: otherwise what is dead, but was asked for once, would be there for ever.

   The window climbs the hill of hits by its slope. Hits in the window would be misses in a smaller one, unless the
   entry had been let into the main part; hits on probation would be misses in a smaller main part. After each sample
   of as many requests as there are entries, two thousand at least, the window grows where it had more of those
   hits for what it holds than probation had, and shrinks where it had fewer, by up to a fifth of the room; it grows to
   three times itself at most, as its hits say little about places far beyond its end. They count for seven tenths,
   as they are not all at its end. It has a hundredth of the room at least, and four fifths at most.

   Cost: O(1) amortized. */

#ifndef PYSTORAGE_TINYLFU_H
#define PYSTORAGE_TINYLFU_H

#include "_sketch.h"

enum { WINDOW, PROBATION, PROTECTED };

#define SAMPLE_LEAST 2000u
#define WINDOW_PART 0.7
#define STEP_MOST 0.2
#define GROWTH_MOST 2.0
#define SPARED 64u /* of so many pairs that differ by one, one is let through */

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

/* Move an entry to the end of a queue, with its count. */
static inline void
tinylfu_put(Cache *self, uint32_t queue, uint32_t place)
{
    queue_move(self, queue, place, uses_of(self, place));
}

/* Bring the lists within their shares. The window keeps what is alone there, however heavy. */
static OUT_OF_LINE void
tinylfu_settle(Cache *self)
{
    const Entry *entries = self->entries;
    while (UNLIKELY(self->lots[WINDOW] > self->shares[WINDOW]) && entries[WINDOW].next != entries[WINDOW].prev) {
        tinylfu_put(self, PROBATION, entries[WINDOW].next);
    }
    while (UNLIKELY(self->lots[PROTECTED] > self->shares[PROTECTED])) {
        tinylfu_put(self, PROBATION, entries[PROTECTED].next);
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
        tinylfu_put(self, WINDOW, place);
    }
}

/* Set out with the window as it is at first. */
static void
tinylfu_limit(Cache *self)
{
    tinylfu_share(self, window_least(self));
    climb_begin(self);
}

/* Take a step at the end of a sample. Where there were no such hits, the window is of no use. */
static OUT_OF_LINE void
tinylfu_climb(Cache *self)
{
    double window = (double)self->lots[WINDOW], probation = (double)self->lots[PROBATION];
    double gain = window > 0 ? (double)self->climb_window * WINDOW_PART / window : 0;
    double loss = probation > 0 ? (double)self->climb_probation / probation : 0;
    double slope = gain + loss > 0 ? (gain - loss) / (gain + loss) : -1;
    double step = slope * (double)self->limit * STEP_MOST, most = (double)self->shares[WINDOW] * GROWTH_MOST;
    step = step < most ? step : most;
    int64_t by = (int64_t)step; /* and away from zero from there */
    climb_begin(self);
    tinylfu_move(self, by + (step > (double)by) - (step < (double)by));
}

/* Note that one more was asked for; say whether all counts were halved now. */
static inline bool
tinylfu_tick(Cache *self)
{
    uint64_t sample = self->sketch_room > SAMPLE_LEAST ? self->sketch_room : SAMPLE_LEAST;
    if (UNLIKELY(++self->climb_asked >= sample) && self->limited) {
        tinylfu_climb(self);
    }
    return sketch_tick(self);
}

/* Count a request for what is not there; give the mark with which it comes in. */
static OUT_OF_LINE unsigned
tinylfu_admit(Cache *self, Py_hash_t hash)
{
    unsigned count = sketch_count(self, hash);
    count += count < MOST_COUNT;
    return WINDOW << QUEUE_SHIFT | (tinylfu_tick(self) ? count / 2 : count);
}

/* Give the first to go of the main part; ABSENT if there is none. */
static inline uint32_t
tinylfu_rival(const Cache *self, uint32_t keep)
{
    uint32_t place = first_of(self, PROBATION, keep);
    return place != ABSENT ? place : first_of(self, PROTECTED, keep);
}

static OUT_OF_LINE void
tinylfu_use(Cache *self, uint32_t place)
{
    uint32_t queue = queue_of(self, place);
    if (queue == WINDOW) {
        uint32_t rival = tinylfu_rival(self, ABSENT);
        self->climb_window += rival != ABSENT && uses_of(self, place) <= uses_of(self, rival) + 1;
    }
    self->climb_probation += queue == PROBATION;
    self->marks[place] += uses_of(self, place) < MOST_COUNT;
    tinylfu_put(self, queue == WINDOW ? WINDOW : PROTECTED, place);
    tinylfu_settle(self);
    tinylfu_tick(self);
}

/* Put an entry in as it was in another cache. The window has at least what it held there. */
static void
tinylfu_restore(Cache *self, uint32_t place, unsigned mark)
{
    uint32_t queue = mark >> QUEUE_SHIFT < HEADS ? mark >> QUEUE_SHIFT : PROTECTED;
    queue_append(self, queue, place, mark & USES);
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
    unsigned count = uses_of(self, one), rival = uses_of(self, other) + 1;
    return count > rival ||
           (count == rival && (stir(self->entries[one].hash) ^ stir(self->entries[other].hash)) % SPARED == 0);
}

static OUT_OF_LINE uint32_t
tinylfu_victim(Cache *self, uint32_t keep)
{
    uint32_t one = first_of(self, WINDOW, keep), other = tinylfu_rival(self, keep);
    if (one == ABSENT || other == ABSENT) {
        return one != ABSENT ? one : other != ABSENT ? other : keep;
    }
    if (tinylfu_wins(self, one, other)) {
        tinylfu_put(self, PROBATION, one);
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
