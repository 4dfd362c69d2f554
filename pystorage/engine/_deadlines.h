/* The deadlines of a cache: which entry expires next.

   An entry with a deadline is in one of two places. Where all live equally long, the deadlines come in the
   order of time, so those of one life (`lane_life`: the cache's own, or the first one met) are a list, the
   lane, whose next is its first: O(1). All others are in a binary heap that knows each one's position, so
   that one is taken out at once and leaves nothing behind: O(log n).

   Invariants:
   - `deadlines` is NULL, or there is one for each place; `when` of an entry that never expires is INFINITY.
   - In the heap `next` is IN_HEAP and `prev` the position; in the lane both are places, 0 is its head.
   - There is always room for one more in the heap once `reserve_deadline` was called.

   The clock is CPython's own monotonic one, read here, unless a timer was given, which `_callbacks.h` calls.
   Where the system has a coarse clock, which is cheap and never ahead, that one is asked first: what has more
   than a second left by it is alive by the other one too.

   No code of the user's runs here. */

#ifndef PYSTORAGE_DEADLINES_H
#define PYSTORAGE_DEADLINES_H

#include "_table.h"
#include <time.h>

#define IN_HEAP UINT32_MAX

/* ------------------------------------------------------------------ the clock */

/* The time of an operation: read at most once, and only if something needs it. */
typedef struct {
    double value;
    bool known;
} Now;

static inline double
monotonic(void)
{
#if defined(__linux__)
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    /* computed as time.monotonic does, to give the very same numbers */
    int64_t nanoseconds = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
    return nanoseconds % 1000000000 == 0 ? (double)(nanoseconds / 1000000000) : (double)nanoseconds / 1e9;
#elif PY_VERSION_HEX >= 0x030D0000
    PyTime_t time;
    (void)PyTime_MonotonicRaw(&time);
    return PyTime_AsSecondsDouble(time);
#else
    return _PyTime_AsSecondsDouble(_PyTime_GetMonotonicClock());
#endif
}

static inline bool
is_surely_before(double when)
{
#if defined(__linux__) && defined(CLOCK_MONOTONIC_COARSE)
    struct timespec time;
    return clock_gettime(CLOCK_MONOTONIC_COARSE, &time) == 0 && (double)time.tv_sec + 2.0 < when;
#else
    (void)when;
    return false;
#endif
}

static inline double
time_of(Now *now)
{
    if (!now->known) {
        now->value = monotonic();
        now->known = true;
    }
    return now->value;
}

static inline bool
has_come(double when, Now *now)
{
    if (when == INFINITY || (!now->known && is_surely_before(when))) {
        return false;
    }
    return !(time_of(now) < when);
}

/* ------------------------------------------------------------------ the heap */

static inline void
heap_put(Cache *self, uint32_t at, uint32_t place)
{
    self->heap[at] = place;
    self->deadlines[place].prev = at;
}

static inline void
heap_rise(Cache *self, uint32_t at, uint32_t place)
{
    double when = self->deadlines[place].when;
    while (at > 0) {
        uint32_t above = (at - 1) / 2;
        if (!(when < self->deadlines[self->heap[above]].when)) {
            break;
        }
        heap_put(self, at, self->heap[above]);
        at = above;
    }
    heap_put(self, at, place);
}

static inline void
heap_sink(Cache *self, uint32_t at, uint32_t place)
{
    double when = self->deadlines[place].when;
    for (;;) {
        uint64_t below = (uint64_t)at * 2 + 1;
        if (below >= self->heap_used) {
            break;
        }
        if (below + 1 < self->heap_used &&
            self->deadlines[self->heap[below + 1]].when < self->deadlines[self->heap[below]].when) {
            below++;
        }
        if (!(self->deadlines[self->heap[below]].when < when)) {
            break;
        }
        heap_put(self, at, self->heap[below]);
        at = (uint32_t)below;
    }
    heap_rise(self, at, place);
}

/* ------------------------------------------------------------------ both */

static inline bool
has_deadlines(const Cache *self)
{
    return self->lane_used + self->heap_used > 0;
}

static inline double
deadline_of(const Cache *self, uint32_t place)
{
    return self->deadlines == NULL ? INFINITY : self->deadlines[place].when;
}

/* See to it that a deadline can be set; places must be there. */
static OUT_OF_LINE int
make_deadlines(Cache *self)
{
    if (self->deadlines == NULL) {
        Deadline *deadlines = PyMem_Malloc((size_t)self->room * sizeof(Deadline));
        if (deadlines == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        for (uint32_t place = 0; place < self->filled; place++) {
            deadlines[place] = (Deadline){.when = INFINITY};
        }
        self->deadlines = deadlines;
        note_way(self);
    }
    if (self->heap_used == self->heap_room) {
        uint32_t room = self->heap_room ? self->heap_room * 2 : 8;
        if (resize_array((void **)&self->heap, room, sizeof(uint32_t))) {
            PyErr_NoMemory();
            return -1;
        }
        self->heap_room = room;
    }
    return 0;
}

static inline int
reserve_deadline(Cache *self, double when)
{
    if (when == INFINITY || (self->deadlines != NULL && self->heap_used < self->heap_room)) {
        return 0;
    }
    return make_deadlines(self);
}

/* Expect an entry no longer. */
static inline void
forget_deadline(Cache *self, uint32_t place)
{
    if (self->deadlines == NULL || self->deadlines[place].when == INFINITY) {
        return;
    }
    Deadline *deadlines = self->deadlines, *one = &deadlines[place];
    one->when = INFINITY;
    if (one->next != IN_HEAP) {
        deadlines[one->prev].next = one->next;
        deadlines[one->next].prev = one->prev;
        self->lane_used--;
        return;
    }
    uint32_t at = one->prev, last = self->heap[--self->heap_used];
    if (last != place) {
        heap_sink(self, at, last);
    }
}

/* Give an entry another deadline, which was reserved; `life` is how long it was to live. */
static inline void
set_deadline(Cache *self, uint32_t place, double when, double life)
{
    forget_deadline(self, place);
    if (when == INFINITY) {
        return;
    }
    Deadline *deadlines = self->deadlines, *one = &deadlines[place];
    one->when = when;
    if (self->lane_used == 0) {
        self->lane_life = self->mortal ? self->life : life;
        deadlines[0] = (Deadline){.when = INFINITY};
    }
    uint32_t last = deadlines[0].prev;
    if (life == self->lane_life && (last == 0 || deadlines[last].when <= when)) {
        one->prev = last;
        one->next = 0;
        deadlines[last].next = place;
        deadlines[0].prev = place;
        self->lane_used++;
    }
    else {
        one->next = IN_HEAP;
        heap_rise(self, self->heap_used++, place);
    }
}

/* Give the entry that expires next, if its time has come; ABSENT if there is none. */
static inline uint32_t
next_due(Cache *self, Now *now)
{
    uint32_t place = self->lane_used ? self->deadlines[0].next : ABSENT;
    if (self->heap_used &&
        (place == ABSENT || self->deadlines[self->heap[0]].when < self->deadlines[place].when)) {
        place = self->heap[0];
    }
    return place != ABSENT && has_come(self->deadlines[place].when, now) ? place : ABSENT;
}

#endif
