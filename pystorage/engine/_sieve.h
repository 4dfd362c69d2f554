/* SIEVE, after: Yazhuo Zhang, Juncheng Yang, Yao Yue, Ymir Vigfusson, K. V. Rashmi: SIEVE is Simpler than LRU:
   an Efficient Turn-Key Eviction Algorithm for Web Caches. NSDI 2024.

   One queue in the order of insertion, and a hand that goes through it from the oldest to the newest and
   begins again. It passes over what was used since it came by last, and forgets that use; the first entry that
   was not used goes. Nothing else moves: a hit sets a mark.

   Cost: O(1) amortized, as each entry that the hand passes over has been hit since. */

#ifndef PYSTORAGE_SIEVE_H
#define PYSTORAGE_SIEVE_H

#include "_order.h"

#define AT_HAND 0x08u /* in what a copy is made from: the hand stands here */

/* Move the hand to the entry that is to go, which is another than `keep` if there is one. */
static uint32_t
sieve_victim(Cache *self, uint32_t keep)
{
    const Entry *entries = self->entries;
    for (uint32_t place = self->hand;; place = entries[place].next) {
        if (place == 0) {
            place = entries[0].next;
        }
        if (place == keep) {
            if (self->used == 1) {
                return place;
            }
        }
        else if (self->marks[place] == 0) {
            self->hand = place;
            return place;
        }
        else {
            self->marks[place] = 0;
        }
    }
}

/* Put all places in the order in which they would go. */
static void
sieve_order(const Cache *self, uint32_t *places)
{
    const Entry *entries = self->entries;
    uint32_t begin = self->hand ? self->hand : entries[0].next, count = 0;
    for (unsigned mark = 0; mark < 2; mark++) {
        uint32_t place = begin;
        do {
            if (place != 0 && self->marks[place] == mark) {
                places[count++] = place;
            }
            place = entries[place].next;
        } while (place != begin);
    }
}

#endif
