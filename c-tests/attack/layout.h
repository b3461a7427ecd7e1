/*
 * What lies where in memory, for the tests that aim: the one place to change
 * when src/header.rs, refs.rs, records.rs or cache.rs changes.
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
	uint64_t head; /* size and flags, enciphered */
	void *parent; /* user's pointer */
	struct header *next, *child, **pprev;
	uint64_t extra; /* destructor, sealed; or the newest handle */
	void *home; /* not written in a plain chunk */
	const char *name;
#if UINTPTR_MAX == 0xFFFFFFFFu
	uint64_t unused;
#endif
};

/* The user memory of a reference. */
struct handle {
	struct header *target;
	uint64_t *back;
	uint64_t older; /* struct handle_chunk * */
	const char *location;
	uint64_t destructor; /* sealed */
};

struct handle_chunk {
	struct header header;
	struct handle handle;
};

/* What a home leads to, out of band. */
struct record {
	unsigned char *next, *end, *base, *top;
	uint32_t live, kind;
	unsigned char *start;
	struct record *outer, *account;
};

/* The payload of a head. */
enum { FLAG_BITS = 28, PAYLOAD_BITS = 40 };

static inline struct header *header_of(const void *ptr)
{
	return (struct header *)((char *)ptr - sizeof(struct header));
}

static inline void *user_of(struct header *h)
{
	return h + 1;
}

/* Tests that aim at the wrong words would prove nothing. */
static inline void check_layout(void)
{
	void *parent = talloc_pool(NULL, 1000);
	void *older = talloc_named_const(parent, 16, "older");
	void *middle = talloc_named_const(parent, 16, "middle");
	void *newer = talloc_named_const(parent, 16, "newer");
	struct header *h = header_of(middle);
	struct handle_chunk *handle;

	talloc_reference(middle, older);
	handle = (struct handle_chunk *)h->child;
	if ((char *)middle - (char *)older != sizeof(struct header) + 16 ||
	    h->parent != parent || h->next != header_of(older) ||
	    h->pprev != &header_of(newer)->next || header_of(parent)->child != header_of(newer) ||
	    header_of(newer)->pprev != &header_of(parent)->child ||
	    handle->handle.target != header_of(older) ||
	    handle->handle.back != &header_of(older)->extra ||
	    header_of(older)->extra != (uintptr_t)handle ||
	    h->home != header_of(parent)->home || ((struct record *)h->home)->base != (unsigned char *)parent - 1) {
		fprintf(stderr, "layout.h does not describe this library\n");
		exit(2);
	}
	talloc_free(parent);
}

#endif
