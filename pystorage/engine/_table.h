/* The table of a cache: its places, and the index that leads from a key to its place.

   The places are one flat array of entries. An entry stays at its place for as long as it is in the table.
   The first places hold no entry: they are the heads of the lists that `_order.h` runs through the others. The index is an
   open addressing table of 4-byte slots, a power of two of them, probed in steps of one. A slot is 0, or has
   the number of a place in its low `bits` bits and above them a tag, bits of the mixed hash: the uppermost six
   are the lowest six of the slot where a probe for the entry begins, its home, the others had no part in that.
   So most entries that are not looked for are passed without a look at them, and a removal sees how far each
   slot is from its home (`far` says where that may be more than six bits can tell).

   Invariants, whenever code of somebody else may run:
   - `used` entries are in the index, in a list, and counted in `weight`; `hash` of all others is GONE.
   - A place is a head, in the table, on the list of free places, or dropped: then the operation that took
     its entry out still holds it, and hands it back when it has told of it.
   - Fewer than half of the slots are taken, but for the smallest tables; one is always free.
   - An index of all zeroes and NULL arrays are an empty table: what is freshly allocated is whole.

   Cost: O(1) expected for all but `grow`, which is O(n) and amortized; 32 bytes for a place (on 64 bits) and
   8 to 16 for its slots.

   Code of the user's runs in `hash_of` and in `find`, and nowhere else in this file. */

#ifndef PYSTORAGE_TABLE_H
#define PYSTORAGE_TABLE_H

#include <Python.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <structmember.h>

#if defined(__GNUC__) || defined(__clang__)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define OUT_OF_LINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define PREFETCH(address) __builtin_prefetch(address, 1)
#else
#define LIKELY(condition) (condition)
#define UNLIKELY(condition) (condition)
#define OUT_OF_LINE
#define ALWAYS_INLINE inline
#define PREFETCH(address) ((void)(address))
#endif

/* What `find` gives beside a place: nothing is there, and an error is set. */
#define ABSENT 0u
#define FAILED UINT32_MAX

#define NO_SLOT UINT32_MAX
#define GONE ((Py_hash_t)-1) /* no object has this hash */
#define MAX_PLACES (1u << 30)
#define MIN_BITS 6
#define HOME_BITS 6
#define MAX_TURNS 10000
#define HEADS 3u /* places that are heads of lists, whether the policy needs them or not */

/* Who is the first to go, see `_policy.h`; those after FIFO have marks. */
enum policy { LRU, FIFO, SIEVE, S3FIFO, TINYLFU, POLICIES };

/* What a hit does where all is simple: there is an index, and a use is a short matter to the policy, and there are
   no deadlines. One number says so, as hits are so short that each question counts. */
enum way { NO_SHORT_WAY, MOVE_TO_END, STAY, MARK };

typedef struct {
    PyObject *key; /* NULL at a free place */
    PyObject *value;
    Py_hash_t hash;
    uint32_t prev; /* nearer to the first to go; of a dropped entry, why it was dropped */
    uint32_t next; /* of a dropped entry, the one dropped after it; of a free place, another one */
} Entry;

typedef struct {
    double when; /* INFINITY is never */
    uint32_t prev;
    uint32_t next;
} Deadline;

typedef struct {
    PyObject_HEAD
    /* the table */
    uint32_t *index;
    Entry *entries;   /* in `memory`, none of them across two lines of the processor's cache */
    void *memory;
    uint32_t bits;
    uint32_t mask;    /* the number of the last slot */
    enum way way;
    uint32_t used;
    uint32_t filled;  /* places that were ever used, the heads among them */
    uint32_t room;    /* places that are allocated */
    uint32_t free;    /* the first free place among those, 0 if there is none */
    uint32_t spare;   /* how many there are */
    bool slack;       /* whether a limit was lowered, see `_shrink.h` */
    bool far;         /* whether a slot may be 64 or more from its home */
    uint64_t version; /* changes with the index: a probe that was interrupted begins again */
    /* the order, see `_policy.h` */
    enum policy policy;
    uint32_t hand;           /* the place where SIEVE looks next; 0 is the first */
    uint8_t *marks;          /* by place; NULL where the policy has none */
    uint64_t lots[HEADS];    /* what the entries of a queue weigh, where there are marks */
    uint64_t shares[HEADS];  /* what they may weigh */
    uint32_t *ghosts;        /* see `_s3fifo.h`; NULL until there is one */
    uint32_t ghost_buckets;
    uint32_t ghost_shift;
    uint64_t ghost_time;
    uint64_t *sketch;        /* see `_sketch.h`; NULL until an entry comes in */
    uint32_t sketch_blocks;
    uint32_t sketch_room;    /* for how many entries it is made */
    uint64_t sketch_counted;
    uint64_t climb_asked;    /* see `_tinylfu.h`: the requests of this sample, and those hits among them */
    uint64_t climb_window;
    uint64_t climb_probation;
    /* the limit */
    bool limited;
    uint64_t limit;
    uint64_t weight;
    uint64_t *weights; /* by place; NULL where each entry weighs 1 */
    PyObject *maxsize; /* as it is shown; NULL is None */
    /* the deadlines, see `_deadlines.h` */
    Deadline *deadlines; /* by place; NULL until there is one */
    uint32_t *heap;
    uint32_t heap_used;
    uint32_t heap_room;
    uint32_t lane_used;
    double lane_life;
    bool mortal; /* whether new entries have a deadline by themselves */
    double life;
    PyObject *life_given; /* as it is shown; NULL is None */
    /* code of the user's; NULL is none, and for the timer it is `time.monotonic` */
    PyObject *timer;
    PyObject *weigher;
    PyObject *on_evict;
    bool plain; /* see `_plain.h` */
    /* the figures */
    uint64_t hits, misses, sets, deletes, evictions, expirations;
    PyObject *weakrefs;
} Cache;

static inline uint64_t
weight_of(const Cache *self, uint32_t place)
{
    return self->weights == NULL ? 1 : self->weights[place];
}

/* ------------------------------------------------------------------ hashes */

/* Spread a hash over 32 bits, the uppermost ones best: numbers in a row, multiples of any power of two and
   differences in the upper half only all end up far from each other. */
static inline uint32_t
mixed(Py_hash_t hash)
{
    uint64_t bits = (uint64_t)hash;
    bits ^= bits >> 32;
    return (uint32_t)((bits * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

/* Spread a hash over 64 bits, all of them well. */
static inline uint64_t
stir(Py_hash_t hash)
{
    uint64_t bits = (uint64_t)hash;
    bits = (bits ^ bits >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    bits = (bits ^ bits >> 29) * UINT64_C(0xD6E8FEB86659FD93);
    return bits ^ bits >> 32;
}

#if PY_VERSION_HEX >= 0x030C0000
#define IS_SMALL(number) PyUnstable_Long_IsCompact((PyLongObject *)(number))
#define SMALL_VALUE(number) PyUnstable_Long_CompactValue((PyLongObject *)(number))
#else
#define IS_SMALL(number) ((size_t)(Py_SIZE(number) + 1) < 3)
#define SMALL_VALUE(number) (Py_SIZE(number) * (Py_ssize_t)((PyLongObject *)(number))->ob_digit[0])
#endif

static inline uint32_t
home_of(uint32_t mix, uint32_t bits)
{
    return mix >> ((0u - bits) & 31); /* there are more than 0 */
}

static inline uint32_t
tag_of(uint32_t mix, uint32_t bits)
{
    return mix >> HOME_BITS << bits;
}

/* Say whether one of two slots is empty. A product, as compilers make two branches of an `or`, and which of the two it is
   follows no pattern. */
static inline bool
one_is_empty(uint32_t one, uint32_t other)
{
    return (uint64_t)one * other == 0;
}

/* Give the hash of a str that knows it, or of a small int; -1 for all else. */
static inline Py_hash_t
quick_hash_of(PyObject *key)
{
    if (LIKELY(PyUnicode_CheckExact(key))) {
        return ((PyASCIIObject *)key)->hash;
    }
    if (PyLong_CheckExact(key) && IS_SMALL(key)) {
#if PY_VERSION_HEX < 0x030C0000
        if (LIKELY(Py_SIZE(key) == 1)) {
            return (Py_hash_t)((PyLongObject *)key)->ob_digit[0];
        }
#endif
        Py_hash_t hash = (Py_hash_t)SMALL_VALUE(key);
        return hash == -1 ? -2 : hash;
    }
    return -1;
}

/* Give the hash of a key; -1 with an error set. */
static inline Py_hash_t
hash_of(PyObject *key)
{
    Py_hash_t hash = quick_hash_of(key);
    return LIKELY(hash != -1) ? hash : PyObject_Hash(key);
}

/* Say whether two keys of the same hash are equal, 1 or 0; -1 where only they can say it themselves. */
static inline int
quickly_equal(PyObject *known, PyObject *key)
{
    if (PyUnicode_CheckExact(known) && PyUnicode_CheckExact(key)) {
        Py_ssize_t length = PyUnicode_GET_LENGTH(known);
        if (length != PyUnicode_GET_LENGTH(key) || PyUnicode_KIND(known) != PyUnicode_KIND(key)) {
            return 0;
        }
        size_t size = (size_t)length * (size_t)PyUnicode_KIND(known);
        return memcmp(PyUnicode_DATA(known), PyUnicode_DATA(key), size) == 0;
    }
    if (PyLong_CheckExact(known) && PyLong_CheckExact(key) && IS_SMALL(known) && IS_SMALL(key)) {
        return SMALL_VALUE(known) == SMALL_VALUE(key);
    }
    return -1;
}

/* ------------------------------------------------------------------ looking up */

/* Look a key up by its own `__eq__`, which may change the table: then all begins again. */
static OUT_OF_LINE uint32_t
find_by_asking(Cache *self, PyObject *key, Py_hash_t hash)
{
    uint32_t mix = mixed(hash);
    for (int turn = 0; turn < MAX_TURNS; turn++) {
        if (self->used == 0) {
            return ABSENT;
        }
        uint64_t version = self->version;
        uint32_t mask = (1u << self->bits) - 1, tag = tag_of(mix, self->bits);
        for (uint32_t at = home_of(mix, self->bits);; at = (at + 1) & mask) {
            uint32_t slot = self->index[at];
            if (slot == 0) {
                return ABSENT;
            }
            uint32_t place = slot ^ tag;
            if (place > mask || self->entries[place].hash != hash) {
                continue;
            }
            PyObject *known = Py_NewRef(self->entries[place].key);
            int equal = known == key ? 1 : quickly_equal(known, key);
            if (equal < 0) {
                equal = PyObject_RichCompareBool(known, key, Py_EQ);
            }
            Py_DECREF(known);
            if (equal < 0) {
                return FAILED;
            }
            if (version != self->version) {
                break;
            }
            if (equal) {
                return place;
            }
        }
    }
    PyErr_SetString(PyExc_RuntimeError, "the cache changed whenever the __eq__ of its keys was called");
    return FAILED;
}

/* Look a key up without running any code of the user's: its place, or ABSENT, or FAILED where only its own
   `__eq__` can say it. */
static OUT_OF_LINE uint32_t
find_from_home(const Cache *self, PyObject *key, Py_hash_t hash)
{
    uint32_t bits = self->bits, mix = mixed(hash), mask = (1u << bits) - 1, tag = tag_of(mix, bits);
    for (uint32_t at = home_of(mix, bits);; at = (at + 1) & mask) {
        uint32_t slot = self->index[at];
        if (slot == 0) {
            return ABSENT;
        }
        uint32_t place = slot ^ tag;
        if (place > mask) {
            continue;
        }
        const Entry *entry = &self->entries[place];
        if (entry->key == key) {
            return place;
        }
        if (entry->hash == hash) {
            int equal = quickly_equal(entry->key, key);
            if (equal != 0) {
                return equal > 0 ? place : FAILED;
            }
        }
    }
}

/* The first two slots of a probe, in which nearly all keys are that are there. */
typedef struct {
    uint32_t home;
    uint32_t first;
    uint32_t second;
    uint32_t place; /* the one that has the tag; beyond the mask if none has it */
} Near;

/* Look at them; there must be an index. Which of the two has the tag is computed and not branched on: it follows no
   pattern that a processor could foresee. */
static ALWAYS_INLINE Near
look_near(const Cache *self, Py_hash_t hash)
{
    const uint32_t *index = self->index;
    uint32_t bits = self->bits, mix = mixed(hash), mask = self->mask, tag = tag_of(mix, bits);
    uint32_t home = home_of(mix, bits), first = index[home], second = index[(home + 1) & mask];
    uint32_t place = first ^ tag, other = 0u - (uint32_t)(place > mask);
    return (Near){home, first, second, place ^ ((first ^ second) & other)};
}

/* Look a key up as `find_from_home` does, and quickly where the very key is in one of the first two slots. */
static ALWAYS_INLINE uint32_t
find_quickly(const Cache *self, PyObject *key, Py_hash_t hash)
{
    if (UNLIKELY(self->index == NULL)) {
        return ABSENT;
    }
    Near near = look_near(self, hash);
    if (LIKELY(near.place <= self->mask)) {
        if (LIKELY(self->entries[near.place].key == key)) {
            return near.place;
        }
    }
    else if (one_is_empty(near.first, near.second)) {
        return ABSENT;
    }
    return find_from_home(self, key, hash);
}

/* Look a key up to write it: give its place as `find` does, and where it is absent perhaps the slot that it would
   get, which holds until the index changes; NO_SLOT otherwise. */
static ALWAYS_INLINE uint32_t
find_or_slot(Cache *self, PyObject *key, Py_hash_t hash, uint32_t *slot)
{
    *slot = NO_SLOT;
    if (UNLIKELY(self->index == NULL)) {
        return ABSENT;
    }
    Near near = look_near(self, hash);
    if (near.place <= self->mask) {
        if (LIKELY(self->entries[near.place].key == key)) {
            return near.place;
        }
    }
    else if (LIKELY(one_is_empty(near.first, near.second))) {
        *slot = (near.home + (near.first != 0)) & self->mask;
        return ABSENT;
    }
    uint32_t place = find_from_home(self, key, hash);
    return LIKELY(place != FAILED) ? place : find_by_asking(self, key, hash);
}

/* Give the place in the first two slots that has the tag of a hash; ABSENT if none has. There must be an index. */
static ALWAYS_INLINE uint32_t
place_by_tag(const Cache *self, Py_hash_t hash)
{
    uint32_t place = look_near(self, hash).place;
    return LIKELY(place <= self->mask) ? place : ABSENT;
}

/* Give the place of a key, or ABSENT, or FAILED; the answer holds until other code runs. */
static ALWAYS_INLINE uint32_t
find(Cache *self, PyObject *key, Py_hash_t hash)
{
    uint32_t place = find_quickly(self, key, hash);
    return LIKELY(place != FAILED) ? place : find_by_asking(self, key, hash);
}

/* ------------------------------------------------------------------ the index */

static inline void
index_insert(Cache *self, uint32_t place)
{
    uint32_t bits = self->bits, mask = (1u << bits) - 1, mix = mixed(self->entries[place].hash);
    uint32_t home = home_of(mix, bits), at = home;
    while (self->index[at] != 0) {
        at = (at + 1) & mask;
    }
    self->index[at] = tag_of(mix, bits) | place;
    if (UNLIKELY(((at - home) & mask) >> HOME_BITS)) {
        self->far = true;
    }
}

/* Say how far a slot is from its home, where that is not too far to be told by its tag. */
static inline uint32_t
moved_by_tag(uint32_t slot, uint32_t at)
{
    return (at - (slot >> (32 - HOME_BITS))) & ((1u << HOME_BITS) - 1);
}

/* Take the place of a hash out of the index, and move back what was pushed on by it. Mostly that is in one of the
   first two slots, and no more than one is behind it: then nothing is branched on, as in `look_near`. */
static inline void
index_take(Cache *self, uint32_t place, Py_hash_t hash)
{
    uint32_t bits = self->bits, mask = self->mask, mix = mixed(hash);
    uint32_t *index = self->index, slot = tag_of(mix, bits) | place, hole = home_of(mix, bits);
    hole = (hole + (index[hole] != slot)) & mask;
    while (UNLIKELY(index[hole] != slot)) {
        hole = (hole + 1) & mask;
    }
    uint32_t at = (hole + 1) & mask, behind = index[at];
    if (LIKELY(!self->far && one_is_empty(behind, index[(at + 1) & mask]))) {
        uint32_t moves = 0u - (uint32_t)(moved_by_tag(behind, at) != 0);
        index[hole] = behind & moves;
        index[at] = behind & ~moves;
        return;
    }
    for (; (slot = index[at]) != 0; at = (at + 1) & mask) {
        uint32_t moved = LIKELY(!self->far) ? moved_by_tag(slot, at)
                                            : (at - home_of(mixed(self->entries[slot & mask].hash), bits)) & mask;
        if (moved >= ((at - hole) & mask)) {
            index[hole] = slot;
            hole = at;
        }
    }
    index[hole] = 0;
}

static inline void
index_remove(Cache *self, uint32_t place)
{
    index_take(self, place, self->entries[place].hash);
}

/* Give how many bits number the slots for so many places, and no fewer than that. */
static inline uint32_t
bits_for(uint32_t room, uint32_t bits)
{
    while ((UINT64_C(1) << bits) + 4 * HEADS < (uint64_t)room * 2) {
        bits++;
    }
    return bits;
}

/* Say what a hit does. */
static inline enum way
way_of(const Cache *self)
{
    static const enum way ways[POLICIES] = {[LRU] = MOVE_TO_END, [FIFO] = STAY, [SIEVE] = MARK};
    return self->index == NULL || self->deadlines != NULL ? NO_SHORT_WAY : ways[self->policy];
}

static inline void
note_way(Cache *self)
{
    self->way = way_of(self);
}

/* Take another index, which is empty, in the place of the one that is there. */
static inline void
index_exchange(Cache *self, uint32_t *index, uint32_t bits)
{
    PyMem_Free(self->index);
    self->index = index;
    self->bits = bits;
    self->mask = (1u << bits) - 1;
    note_way(self);
    self->far = bits > 32 - HOME_BITS; /* where there is no room for six bits */
    self->version++;
    for (uint32_t place = HEADS; place < self->filled; place++) {
        if (self->entries[place].hash != GONE) {
            index_insert(self, place);
        }
    }
}

/* Make another index, for so many places; without memory the old one stays. */
static inline int
index_resize(Cache *self, uint32_t room)
{
    uint32_t bits = bits_for(room, self->index == NULL ? MIN_BITS : self->bits);
    if (self->index != NULL && bits == self->bits) {
        return 0;
    }
    uint32_t *index = PyMem_Calloc((size_t)1 << bits, sizeof(uint32_t));
    if (index == NULL) {
        return -1;
    }
    index_exchange(self, index, bits);
    return 0;
}

/* ------------------------------------------------------------------ places */

static inline int
resize_array(void **array, size_t count, size_t size)
{
    void *larger = count > SIZE_MAX / size ? NULL : PyMem_Realloc(*array, count * size);
    if (larger == NULL) {
        return -1;
    }
    *array = larger;
    return 0;
}

/* Make room for so many entries; those that are there stay. */
static int
resize_entries(Cache *self, size_t room)
{
    size_t before = self->entries == NULL ? 0 : (size_t)((char *)self->entries - (char *)self->memory);
    if (resize_array(&self->memory, room + 1, sizeof(Entry))) {
        return -1;
    }
    size_t after = (size_t)(-(uintptr_t)self->memory % sizeof(Entry));
    if (before != after && self->filled != 0) {
        memmove((char *)self->memory + after, (char *)self->memory + before, self->filled * sizeof(Entry));
    }
    self->entries = (Entry *)((char *)self->memory + after);
    return 0;
}

/* Allocate so many more places; without memory the table stays as it is. */
static OUT_OF_LINE int
grow(Cache *self, uint32_t more)
{
    uint64_t needed = (uint64_t)(self->filled ? self->filled : HEADS) + more;
    uint64_t room = self->room < 8 ? 8 : self->room < 4096 ? self->room * 2 : self->room + self->room / 4;
    if (self->limited && self->weigher == NULL && self->limit < MAX_PLACES && room > self->limit + HEADS + 3) {
        room = self->limit + HEADS + 3; /* what is over the limit for a moment, and two to be told of */
    }
    room = room < needed ? needed : room;
    if (room > MAX_PLACES || resize_entries(self, room) ||
        (self->deadlines && resize_array((void **)&self->deadlines, room, sizeof(Deadline))) ||
        (self->policy > FIFO && resize_array((void **)&self->marks, room, sizeof(uint8_t))) ||
        (self->weigher && resize_array((void **)&self->weights, room, sizeof(uint64_t)))) {
        PyErr_NoMemory();
        return -1;
    }
    if (self->filled == 0) {
        for (uint32_t head = 0; head < HEADS; head++) {
            self->entries[head] = (Entry){.hash = GONE, .prev = head, .next = head};
        }
        self->filled = HEADS;
    }
    if (index_resize(self, (uint32_t)room) < 0) {
        PyErr_NoMemory();
        return -1;
    }
    self->room = (uint32_t)room;
    return 0;
}

/* See to it that so many places can be taken. */
static inline int
reserve(Cache *self, uint32_t count)
{
    return LIKELY(self->spare + (self->room - self->filled) >= count) ? 0 : grow(self, count);
}

/* Take a place that was reserved, for a key and a value that are now the table's. */
static inline uint32_t
take_place(Cache *self, PyObject *key, PyObject *value)
{
    uint32_t place = self->free;
    if (place != 0) {
        self->free = self->entries[place].next;
        self->spare--;
    }
    else {
        place = self->filled++;
    }
    Entry *entry = &self->entries[place];
    entry->key = Py_NewRef(key);
    entry->value = Py_NewRef(value);
    entry->hash = GONE;
    if (self->deadlines != NULL) {
        self->deadlines[place].when = INFINITY;
    }
    return place;
}

/* Hand a place back; its key and value are the caller's from here on. */
static inline void
free_place(Cache *self, uint32_t place)
{
    Entry *entry = &self->entries[place];
    entry->key = entry->value = NULL;
    entry->hash = GONE;
    entry->next = self->free;
    self->free = place;
    self->spare++;
}

/* Give the memory back if nothing is in the table and nobody holds a dropped entry. */
static inline void
release_memory(Cache *self)
{
    if (self->used != 0 || self->filled < 64 || self->spare != self->filled - HEADS) {
        return;
    }
    PyMem_Free(self->index);
    PyMem_Free(self->memory);
    PyMem_Free(self->weights);
    PyMem_Free(self->marks);
    PyMem_Free(self->deadlines);
    PyMem_Free(self->heap);
    self->index = NULL;
    self->entries = NULL;
    self->memory = NULL;
    self->weights = NULL;
    self->marks = NULL;
    self->deadlines = NULL;
    self->heap = NULL;
    self->bits = self->mask = self->filled = self->room = self->free = self->spare = self->heap_room = 0;
    self->version++;
    note_way(self);
}

#endif
