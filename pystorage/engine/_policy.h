/* The policies: who is the first to go, what counts for an entry, and in which order all would go.

     LRU     one list, to whose end an entry goes when it is used
     FIFO    one list, in which entries stay where they came in
     SIEVE   see `_sieve.h`
     S3FIFO  see `_s3fifo.h`
     TINYLFU see `_tinylfu.h`

   All else in the engine comes here for the order. What it relies on:
   - An entry that is used or written is a hit; a look is none. With SIEVE and S3FIFO a hit changes a mark and
     moves nothing.
   - `next_victim` gives an entry of the table while there is one, and the one that was just written (`keep`)
     only if it is the last. Taking that one out, again and again, is the order that iteration shows.
   - Nothing here fails or needs memory but `order_reserve`.

   Cost: O(1) each, amortized, but for the order of all. No code of the user's runs here. */

#ifndef PYSTORAGE_POLICY_H
#define PYSTORAGE_POLICY_H

#include "_s3fifo.h"
#include "_sieve.h"
#include "_tinylfu.h"

static const char *const POLICY_NAMES[POLICIES] = {"lru", "fifo", "sieve", "s3fifo", "tinylfu"};

static inline bool
has_marks(const Cache *self)
{
    return self->policy > FIFO;
}

/* Share the limit out among the queues. */
static void
order_limit(Cache *self)
{
    uint64_t limit = self->limited ? self->limit : UINT64_MAX;
    if (self->policy == TINYLFU) {
        tinylfu_limit(self);
    }
    else {
        self->shares[SMALL] = limit / 10 ? limit / 10 : 1;
    }
}

/* See to it that one more entry can be put in. */
static inline int
order_reserve(Cache *self)
{
    return self->policy == TINYLFU ? sketch_reserve(self, (uint64_t)self->used + 1) : 0;
}

/* Take note of an entry that is to come in; give the mark with which it begins. */
static inline unsigned
order_admit(Cache *self, Py_hash_t hash)
{
    if (self->policy == S3FIFO) {
        return (ghost_take(self, hash, self->used) ? MAIN : SMALL) << QUEUE_SHIFT;
    }
    return self->policy == TINYLFU ? tinylfu_admit(self, hash) : 0;
}

/* Put an entry in. */
static inline void
order_enter(Cache *self, unsigned mark, uint32_t place)
{
    if (has_marks(self)) {
        queue_append(self, mark >> QUEUE_SHIFT, place, mark & USES);
    }
    else {
        order_append(self, 0, place);
    }
}

/* Take an entry out. */
static inline void
order_leave(Cache *self, uint32_t place)
{
    if (has_marks(self)) {
        if (self->hand == place) {
            self->hand = self->entries[place].next;
        }
        queue_remove(self, place);
        if (self->policy == TINYLFU) {
            sketch_note(self, self->entries[place].hash, uses_of(self, place));
        }
    }
    else {
        order_remove(self, place);
    }
}

static ALWAYS_INLINE void
move_to_end(Cache *self, uint32_t place)
{
    if (LIKELY(self->entries[0].prev != place)) {
        order_remove(self, place);
        order_append(self, 0, place);
    }
}

/* Note that an entry was used, where there is a short way. */
static ALWAYS_INLINE void
order_use_quickly(Cache *self, uint32_t place)
{
    if (LIKELY(self->way == MOVE_TO_END)) {
        move_to_end(self, place);
    }
    else if (self->way == MARK) {
        self->marks[place] = 1;
    }
}

/* Note that an entry was used. */
static inline void
order_use(Cache *self, uint32_t place)
{
    if (LIKELY(self->policy == LRU)) {
        move_to_end(self, place);
    }
    else if (self->policy == FIFO) {
        return;
    }
    else if (self->policy == SIEVE) {
        self->marks[place] = 1;
    }
    else if (self->policy == S3FIFO) {
        self->marks[place] += uses_of(self, place) < MOST_USES;
    }
    else {
        tinylfu_use(self, place);
    }
}

/* Note that there is room for a new entry now. The hand of SIEVE came to the end of the queue where only that
   one is ahead of it: as the paper has it, who comes in comes when room was made. */
static inline void
order_arrived(Cache *self, uint32_t place)
{
    if (UNLIKELY(self->hand == place)) {
        self->hand = 0;
    }
}

/* Do what is left to do when there is room again. */
static inline void
order_settle(Cache *self)
{
    if (UNLIKELY(self->policy == TINYLFU) && self->filled != 0) {
        tinylfu_settle(self);
    }
}

/* Note that an entry weighs something else. */
static inline void
order_reweigh(Cache *self, uint32_t place, uint64_t before, uint64_t after)
{
    if (has_marks(self)) {
        self->lots[queue_of(self, place)] += after - before;
    }
}

/* Give the entry that is to go; there must be one. */
static inline uint32_t
next_victim(Cache *self, uint32_t keep)
{
    if (self->policy == SIEVE) {
        return sieve_victim(self, keep);
    }
    if (self->policy == S3FIFO) {
        return s3fifo_victim(self, keep);
    }
    if (self->policy == TINYLFU) {
        return tinylfu_victim(self, keep);
    }
    uint32_t place = first_of(self, 0, keep);
    return place == ABSENT ? keep : place;
}

/* Note that an entry is going to make room; `used` is how many there are with it. */
static inline void
order_evicted(Cache *self, uint32_t place, uint32_t used)
{
    if (self->policy == S3FIFO && queue_of(self, place) == SMALL) {
        ghost_note(self, self->entries[place].hash, used);
    }
}

/* Where there is one eviction there will be more: have what the next one touches on its way by then. GCC takes a
   function that does nothing else for one without effect and drops the calls, unless it is inlined early. */
static ALWAYS_INLINE void
prefetch_victim(const Cache *self)
{
    const Entry *one = &self->entries[self->hand ? self->hand : self->entries[0].next];
    PREFETCH(one->key);
    PREFETCH(&self->index[home_of(mixed(one->hash), self->bits)]);
}

/* Forget all that is known of those that are not in the table. */
static inline void
order_forget(Cache *self)
{
    self->hand = 0;
    ghosts_forget(self);
    sketch_forget(self);
}

/* ------------------------------------------------------------------ all */

/* Whether the list is the order in which all would go, as it is. */
static inline bool
is_listed(const Cache *self)
{
    return !has_marks(self);
}

/* Put all places in the order in which they would go, one by one, if nothing were used meanwhile. The array
   has two for each, and there must be one. */
static void
put_in_order(const Cache *self, uint32_t *places)
{
    if (self->policy == SIEVE) {
        sieve_order(self, places);
    }
    else if (self->policy == TINYLFU) {
        tinylfu_order(self, places);
    }
    else {
        s3fifo_order(self, places);
    }
}

/* Give the entry that lies after another, in queue after queue; the first after 0, and 0 after the last. */
static inline uint32_t
lies_after(const Cache *self, uint32_t place)
{
    uint32_t next = self->used == 0 ? 0 : self->entries[place].next;
    while (next < HEADS && self->used != 0 && next + 1 < HEADS) {
        next = self->entries[next + 1].next;
    }
    return next < HEADS ? 0 : next;
}

/* Give what a copy has to know of an entry beside its place among those that lie there. */
static inline unsigned
mark_of(const Cache *self, uint32_t place)
{
    if (!has_marks(self)) {
        return 0;
    }
    bool at_hand = self->hand == place && self->entries[0].next != place;
    return self->marks[place] | (at_hand ? AT_HAND : 0);
}

/* Put an entry in as it was in another cache. */
static inline void
order_restore(Cache *self, uint32_t place, unsigned mark)
{
    if (self->policy == SIEVE) {
        queue_append(self, 0, place, mark & 1);
        if (mark & AT_HAND) {
            self->hand = place;
        }
    }
    else if (self->policy == S3FIFO) {
        queue_append(self, mark >> QUEUE_SHIFT & MAIN, place, mark & MOST_USES);
    }
    else if (self->policy == TINYLFU) {
        tinylfu_restore(self, place, mark);
    }
    else {
        order_append(self, 0, place);
    }
}

/* Say what is wrong with the queues; NULL where nothing is. */
static const char *
fault_of_order(const Cache *self)
{
    static const unsigned most[POLICIES] = {[SIEVE] = 1, [S3FIFO] = MOST_USES, [TINYLFU] = MOST_COUNT};
    static const uint32_t queues[POLICIES] = {[SIEVE] = 1, [S3FIFO] = 2, [TINYLFU] = 3};
    uint64_t lots[HEADS] = {0};
    bool hand = self->hand == 0;
    for (uint32_t place = lies_after(self, 0); place != 0; place = lies_after(self, place)) {
        hand |= self->hand == place;
        if (has_marks(self)) {
            if (uses_of(self, place) > most[self->policy] || queue_of(self, place) >= queues[self->policy]) {
                return "a mark is none of the policy's";
            }
            lots[queue_of(self, place)] += weight_of(self, place);
            if (self->entries[place].next < HEADS && self->entries[place].next != queue_of(self, place)) {
                return "a mark is that of another queue";
            }
        }
    }
    for (uint32_t queue = 0; queue < HEADS; queue++) {
        if (lots[queue] != self->lots[queue]) {
            return "what a queue weighs is wrong";
        }
    }
    const Entry *window = &self->entries[WINDOW];
    if (self->policy == TINYLFU &&
        (lots[PROTECTED] > self->shares[PROTECTED] ||
         (lots[WINDOW] > self->shares[WINDOW] && window->next != window->prev))) {
        return "a queue has more than its share";
    }
    if (self->policy == TINYLFU && self->limited &&
        (self->shares[WINDOW] < window_least(self) || self->shares[WINDOW] > window_most(self) ||
         self->climb_window + self->climb_probation > self->climb_asked)) {
        return "the window has more or less than it may";
    }
    return hand ? NULL : "the hand is at no entry";
}

#endif
