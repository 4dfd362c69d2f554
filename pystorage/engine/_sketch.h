/* A sketch of how often each key was asked for lately that is not in the table; those in the table count for
   themselves, in their marks. After: Gil Einziger, Roy Friedman, Ben Manes: TinyLFU: A Highly Efficient Cache Admission
   Policy. ACM Transactions on Storage 2017.

   What leaves is noted with its count. Most keys that leave were asked for once: these are two bits of a Bloom
   filter, the doorkeeper. What counts more is in a count-min sketch too: a counter of 4 bits in each of four rows,
   of which the least is the count, or more where others share them all. No counter is raised beyond the count that
   is noted. When ten times as many were asked for as the sketch is made for, all counts are halved, so that the
   doorkeeper begins anew: what was asked for long ago weighs less and less.

   All that is known of a hash is in one block of 64 bytes, so that the processor waits once: 256 bits of the
   doorkeeper, and 64 counters. There is a block for each ten entries, which are 6.4 bytes an entry.

   Cost: O(1), and halving is amortized. */

#ifndef PYSTORAGE_SKETCH_H
#define PYSTORAGE_SKETCH_H

#include "_order.h"

#define ROWS 4u
#define BLOCK 8u /* words in a block: four of the doorkeeper, then one for each row */
#define BLOCK_ENTRIES 10u
#define MOST_COUNT 15u
#define PERIOD 10u

static inline uint64_t *
sketch_block(const Cache *self, uint64_t stirred)
{
    return &self->sketch[((stirred >> 32) * self->sketch_blocks >> 32) * BLOCK];
}

/* Where the counter of a row is in its word. */
static inline uint32_t
sketch_shift(uint64_t stirred, uint32_t row)
{
    return (stirred >> row * 4 & 15) * 4;
}

/* Say how often a key was asked for that is not in the table, as far as is known, at most 15. */
static inline unsigned
sketch_count(const Cache *self, Py_hash_t hash)
{
    if (UNLIKELY(self->sketch == NULL)) {
        return 0;
    }
    uint64_t stirred = stir(hash);
    const uint64_t *block = sketch_block(self, stirred);
    unsigned least = MOST_COUNT;
    for (uint32_t row = 0; row < ROWS; row++) {
        unsigned count = block[ROWS + row] >> sketch_shift(stirred, row) & MOST_COUNT;
        least = count < least ? count : least;
    }
    uint64_t one = block[stirred >> 22 & 1] >> (stirred >> 16 & 63);
    uint64_t other = block[2 + (stirred >> 30 & 1)] >> (stirred >> 24 & 63);
    return least != 0 ? least : (unsigned)(one & other & 1);
}

/* Note the count of a key that leaves. */
static OUT_OF_LINE void
sketch_note(Cache *self, Py_hash_t hash, unsigned count)
{
    if (self->sketch == NULL || count == 0) {
        return;
    }
    uint64_t stirred = stir(hash), *block = sketch_block(self, stirred);
    block[stirred >> 22 & 1] |= UINT64_C(1) << (stirred >> 16 & 63);
    block[2 + (stirred >> 30 & 1)] |= UINT64_C(1) << (stirred >> 24 & 63);
    if (count == 1) {
        return;
    }
    for (uint32_t row = 0; row < ROWS; row++) {
        uint64_t *word = &block[ROWS + row];
        uint32_t shift = sketch_shift(stirred, row);
        if ((*word >> shift & MOST_COUNT) < count) {
            *word = (*word & ~((uint64_t)MOST_COUNT << shift)) | (uint64_t)count << shift;
        }
    }
}

/* Halve all counts, of what is in the table too. */
static OUT_OF_LINE void
sketch_halve(Cache *self)
{
    self->sketch_counted /= 2;
    for (size_t word = 0; word < (size_t)self->sketch_blocks * BLOCK; word++) {
        self->sketch[word] = word & ROWS ? self->sketch[word] >> 1 & UINT64_C(0x7777777777777777) : 0;
    }
    for (uint32_t place = HEADS; place < self->filled; place++) {
        self->marks[place] = (uint8_t)((self->marks[place] & ~USES) | (self->marks[place] & USES) >> 1);
    }
}

/* Note that one more was asked for; say whether all counts were halved now. */
static inline bool
sketch_tick(Cache *self)
{
    if (LIKELY(++self->sketch_counted < (uint64_t)PERIOD * self->sketch_room)) {
        return false;
    }
    sketch_halve(self);
    return true;
}

/* Begin a sample: of another size, or after all was forgotten. */
static inline void
climb_begin(Cache *self)
{
    self->climb_asked = self->climb_window = self->climb_probation = 0;
}

/* See to it that the sketch is made for so many entries. A larger one begins anew. */
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
    uint32_t blocks = (uint32_t)((room + BLOCK_ENTRIES - 1) / BLOCK_ENTRIES);
    uint64_t *sketch = PyMem_Calloc(blocks, BLOCK * sizeof(uint64_t));
    if (sketch == NULL) {
        PyErr_NoMemory();
        return -1;
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
