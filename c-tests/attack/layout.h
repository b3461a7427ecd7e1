/*
 * What lies where in memory, for the tests that aim: the one place to change
 * when src/chunk.rs or src/arena.rs changes.
 */
#ifndef TALLOC_C_TESTS_LAYOUT_H
#define TALLOC_C_TESTS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <talloc.h>

/* In front of the user's memory. */
struct header {
	uint32_t tag, size;
	void *home;
	struct header *child, *prev, *next, *parent;
	void *hook; /* sealed */
	const char *name;
};

/* In the tag, above the magic. */
static const struct flag {
	const char *name;
	uint32_t bit;
} flags[] = {
	{ "FREE", 1u << 20 },    { "MEMBER", 1u << 21 },     { "ORPHAN", 1u << 22 },
	{ "POOL", 1u << 23 },    { "DYING", 1u << 24 },      { "RUNNING", 1u << 25 },
	{ "HANDLE", 1u << 26 },  { "REFERENCED", 1u << 27 }, { "OWNER", 1u << 28 },
	{ "HELD", 1u << 29 },    { "SPECIAL", 1u << 30 },    { "ROOMY", 1u << 31 },
};

enum { FLAGS = sizeof(flags) / sizeof(flags[0]) };

/* In front of the header of a pool or cache. */
struct arena {
	uint64_t sum;
	uint32_t start, live;
	unsigned char *next, *end;
};

/* In front of the arena of a cache. */
struct slots {
	uint64_t sum;
	uint32_t size, count;
};

/* The user memory of a reference. */
struct handle {
	void *target, *newer, *older, *destructor; /* sealed */
	const char *location;
};

/* What a limited context has, in a block of its own. */
struct account {
	uint64_t sum;
	void *home, *above; /* the latter sealed */
	size_t max, used;
};

static inline struct header *header_of(const void *ptr)
{
	return (struct header *)((char *)ptr - sizeof(struct header));
}

static inline void *user_of(struct header *h)
{
	return h + 1;
}

static inline struct arena *arena_of(const void *pool)
{
	return (struct arena *)header_of(pool) - 1;
}

static inline struct slots *slots_of(const void *cache)
{
	return (struct slots *)arena_of(cache) - 1;
}

/* Tests that aim at the wrong words would prove nothing. */
static inline void check_layout(void)
{
	void *parent = talloc_pool(NULL, 1000);
	void *older = talloc_named_const(parent, 16, "older");
	void *middle = talloc_named_const(parent, 16, "middle");
	void *newer = talloc_named_const(parent, 16, "newer");
	struct header *h = header_of(middle);

	talloc_reference(middle, older);
	if ((char *)middle - (char *)older != sizeof(struct header) + 16 || h->size != 16 ||
	    h->parent != header_of(parent) || h->next != header_of(older) ||
	    h->prev != header_of(newer) || h->child->size != sizeof(struct handle) ||
	    header_of(parent)->child != header_of(newer) ||
	    arena_of(parent)->live != 5) {
		fprintf(stderr, "layout.h does not describe this library\n");
		exit(2);
	}
	talloc_free(parent);
}

#endif
