/* A sketch of how often each key was asked for lately, of keys that are not in the table too. After: Gil Einziger,
   Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission Policy. ACM Transactions on Storage 2017.

   A count-min sketch: each hash has a counter of 4 bits in each of four rows, and the least of the four is how
   often it was counted, or more where others share them all. Only the counters that are the least are raised.
   When ten times as many were counted as the sketch is made for, all counters are halved: what was asked for
   long ago weighs less and less.

   The four counters of a hash are in one block of 64 bytes, so that the processor waits once. There are twelve
   counters for each entry, which are six bytes.

   Cost: O(1), and halving is amortized. */

#ifndef PYSTORAGE_SKETCH_H
#define PYSTORAGE_SKETCH_H

#include "_order.h"

#define ROWS 4u
#define BLOCK 8u /* words in a block, two for each row */
#define SKETCH_MOST 15u
#define SAMPLE 10u

static inline uint64_t *
sketch_block(uint64_t *sketch, uint32_t blocks, uint64_t stirred)
{
    return &sketch[((stirred >> 32) * blocks >> 32) * BLOCK];
}

/* The word of a row's counter for a hash, and where it begins there. */
static inline uint32_t
sketch_word(uint64_t stirred, uint32_t row, uint32_t *shift)
{
    uint32_t counter = stirred >> row * 5 & 31;
    *shift = (counter & 15) * 4;
    return row * 2 + (counter >> 4);
}

static inline unsigned
sketch_least(const uint64_t *block, uint64_t stirred)
{
    unsigned least = SKETCH_MOST;
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t shift, word = sketch_word(stirred, row, &shift);
        unsigned count = block[word] >> shift & SKETCH_MOST;
        least = count < least ? count : least;
    }
    return least;
}

/* Say how often a hash was counted, as far as is known, at most 15. */
static inline unsigned
frequency_of(const Cache *self, Py_hash_t hash)
{
    uint64_t stirred = stir(hash);
    return self->sketch == NULL
               ? 0
               : sketch_least(sketch_block(self->sketch, self->sketch_blocks, stirred), stirred);
}

/* See to it that a hash counts as often as that. */
static inline void
sketch_raise(uint64_t *sketch, uint32_t blocks, Py_hash_t hash, unsigned least)
{
    uint64_t stirred = stir(hash), *block = sketch_block(sketch, blocks, stirred);
    for (uint32_t row = 0; row < ROWS; row++) {
        uint32_t shift, word = sketch_word(stirred, row, &shift);
        if ((block[word] >> shift & SKETCH_MOST) < least) {
            block[word] = (block[word] & ~((uint64_t)SKETCH_MOST << shift)) | (uint64_t)least << shift;
        }
    }
}

/* Count a hash once more. */
static OUT_OF_LINE void
sketch_count(Cache *self, Py_hash_t hash)
{
    if (UNLIKELY(self->sketch == NULL)) {
        return;
    }
    unsigned least = frequency_of(self, hash);
    if (least < SKETCH_MOST) {
        sketch_raise(self->sketch, self->sketch_blocks, hash, least + 1);
    }
    if (UNLIKELY(++self->sketch_counted >= (uint64_t)SAMPLE * self->sketch_room)) {
        self->sketch_counted /= 2;
        for (size_t word = 0; word < (size_t)self->sketch_blocks * BLOCK; word++) {
            self->sketch[word] = self->sketch[word] >> 1 & UINT64_C(0x7777777777777777);
        }
    }
}

/* Begin a sample that is compared with none: of another size, or after all was forgotten. */
static inline void
climb_begin(Cache *self)
{
    self->climb_asked = self->climb_hits = 0;
    self->climb_before = -1;
}

/* See to it that the sketch is made for so many entries; what is known of those in the table stays. */
static OUT_OF_LINE int
sketch_reserve(Cache *self, uint64_t need)
{
    uint64_t most = self->limited && self->weigher == NULL ? self->limit : UINT64_MAX;
    need = need < most ? need : most;
    if (LIKELY(need <= self->sketch_room)) {
        return 0;
    }
    uint64_t room = self->sketch_room < 8 ? 16 : (uint64_t)self->sketch_room * 2;
    room = room < most ? room : most;
    uint32_t blocks = (uint32_t)((room * 3 + 31) / 32);
    uint64_t *sketch = PyMem_Calloc(blocks, BLOCK * sizeof(uint64_t));
    if (sketch == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (uint32_t place = HEADS; place < self->filled; place++) {
        Py_hash_t hash = self->entries[place].hash;
        if (hash != GONE) {
            sketch_raise(sketch, blocks, hash, frequency_of(self, hash));
        }
    }
    PyMem_Free(self->sketch);
    self->sketch = sketch;
    self->sketch_blocks = blocks;
    self->sketch_room = (uint32_t)room;
    climb_begin(self);
    return 0;
}

static inline void
sketch_forget(Cache *self)
{
    PyMem_Free(self->sketch);
    self->sketch = NULL;
    self->sketch_blocks = self->sketch_room = 0;
    self->sketch_counted = 0;
    climb_begin(self);
}

#endif
