/* S3-FIFO, after: Juncheng Yang, Yazhuo Zhang, Ziyue Qiu, Yao Yue, K. V. Rashmi: FIFO Queues are All You Need for
   Cache Eviction. SOSP 2023.

   A new entry goes into the small queue, which has a tenth of the room; what is not used more than once until
   it comes to the front leaves the cache, and its hash becomes a ghost. All else goes into the main queue, and
   so does a new entry whose ghost is still there. In the main queue an entry that comes to the front goes to
   the end again for each of up to three uses since. A hit counts these, and moves nothing.

   The ghosts are as many as the main queue may have entries. They lie in buckets of sixteen slots, each of which
   has 16 bits of a hash and the lower bits of the time when it came, counted in ghosts; the oldest one of its
   bucket makes room for the next. So a ghost may be taken for another one's, once in some thousand times, and
   costs about five bytes. Without memory for them there are none, and some hits fewer.

   Cost: O(1) amortized, as an entry that goes to the end once more has been hit since. */

#ifndef PYSTORAGE_S3FIFO_H
#define PYSTORAGE_S3FIFO_H

#include "_order.h"

enum { SMALL, MAIN };

#define MOST_USES 3u
#define WAYS 16u

/* ------------------------------------------------------------------ ghosts */

static inline uint32_t *
ghost_bucket(const Cache *self, uint64_t stirred)
{
    return &self->ghosts[((stirred >> 32) * self->ghost_buckets >> 32) * WAYS];
}

/* Say how long a ghost is there, in ghosts; one that is there for longer than the main queue is long is none. */
static inline uint64_t
ghost_age(const Cache *self, uint32_t ghost)
{
    return (((self->ghost_time >> self->ghost_shift) - ghost) & 0xFFFF) << self->ghost_shift;
}

/* Remember a hash; `used` is how many entries there are with the one that leaves. */
static OUT_OF_LINE void
ghost_note(Cache *self, Py_hash_t hash, uint32_t used)
{
    if ((uint64_t)self->ghost_buckets * (WAYS - 2) < used) {
        PyMem_Free(self->ghosts);
        self->ghost_buckets = used / (WAYS - 4) + 1;
        self->ghosts = PyMem_Calloc(self->ghost_buckets, WAYS * sizeof(uint32_t));
        for (self->ghost_shift = 0; (UINT64_C(1) << self->ghost_shift << 8) < self->ghost_buckets;) {
            self->ghost_shift++;
        }
        self->ghost_time = 0;
    }
    if (self->ghosts == NULL) {
        self->ghost_buckets = 0;
        return;
    }
    uint64_t stirred = stir(hash);
    uint32_t *bucket = ghost_bucket(self, stirred), mark = (uint32_t)stirred & 0xFFFF0000, at = 0;
    uint64_t oldest = 0;
    self->ghost_time++;
    for (uint32_t way = 0; way < WAYS; way++) {
        bool same = bucket[way] != 0 && (bucket[way] & 0xFFFF0000) == mark;
        uint64_t age = same ? UINT64_MAX : bucket[way] == 0 ? UINT64_MAX - 1 : ghost_age(self, bucket[way]);
        if (age > oldest) {
            oldest = age;
            at = way;
        }
    }
    bucket[at] = mark | (uint32_t)(self->ghost_time >> self->ghost_shift & 0xFFFF);
}

/* Say whether a hash is remembered, which is over with that; `used` is how many entries there are. */
static OUT_OF_LINE bool
ghost_take(Cache *self, Py_hash_t hash, uint32_t used)
{
    if (self->ghosts == NULL) {
        return false;
    }
    uint64_t stirred = stir(hash);
    uint32_t *bucket = ghost_bucket(self, stirred), mark = (uint32_t)stirred & 0xFFFF0000;
    for (uint32_t way = 0; way < WAYS; way++) {
        if (bucket[way] != 0 && (bucket[way] & 0xFFFF0000) == mark) {
            bool there = ghost_age(self, bucket[way]) < used - used / 10;
            bucket[way] = 0;
            return there;
        }
    }
    return false;
}

static void
ghosts_forget(Cache *self)
{
    PyMem_Free(self->ghosts);
    self->ghosts = NULL;
    self->ghost_buckets = 0;
}

/* ------------------------------------------------------------------ the queues */

static OUT_OF_LINE uint32_t
s3fifo_victim(Cache *self, uint32_t keep)
{
    for (;;) {
        uint32_t small = first_of(self, SMALL, keep), main = first_of(self, MAIN, keep);
        uint64_t weight = self->lots[SMALL];
        if (keep != ABSENT && self->entries[keep].hash != GONE && queue_of(self, keep) == SMALL) {
            weight -= weight_of(self, keep);
        }
        if (small != ABSENT && (weight >= self->shares[SMALL] || main == ABSENT)) {
            if (uses_of(self, small) <= 1) {
                return small;
            }
            queue_move(self, MAIN, small, 0);
        }
        else if (main == ABSENT) {
            return keep;
        }
        else if (uses_of(self, main) == 0) {
            return main;
        }
        else {
            queue_move(self, MAIN, main, uses_of(self, main) - 1);
        }
    }
}

/* Put all places in the order in which they would go; the array has another one behind it. */
static void
s3fifo_order(const Cache *self, uint32_t *places)
{
    const Entry *entries = self->entries;
    uint32_t *ring = places + self->used, size = self->used, begin = 0, length = 0, count = 0;
    uint32_t small = entries[SMALL].next;
    uint64_t weight = self->lots[SMALL];
    for (uint32_t place = entries[MAIN].next; place != MAIN; place = entries[place].next) {
        ring[length++] = place | uses_of(self, place) << 30; /* places are less than 2**30 */
    }
    while (count < size) {
        if (small >= HEADS && (weight >= self->shares[SMALL] || length == 0)) {
            weight -= weight_of(self, small);
            if (uses_of(self, small) <= 1) {
                places[count++] = small;
            }
            else {
                ring[(begin + length++) % size] = small;
            }
            small = entries[small].next;
        }
        else {
            uint32_t first = ring[begin];
            begin = (begin + 1) % size;
            length--;
            if (first >> 30 == 0) {
                places[count++] = first;
            }
            else {
                ring[(begin + length++) % size] = first - (1u << 30);
            }
        }
    }
}

#endif
