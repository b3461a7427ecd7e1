/*
 * Allocations of libtalloc.so.2 that fail on demand: malloc, calloc and realloc,
 * and mmap and mprotect, from which it has its pages.
 *
 * failing_malloc.c is preloaded; a program finds these functions with dlsym(),
 * or is told by the environment what is to fail.  Calls that do not come from
 * libtalloc are left alone and not counted.
 */
#ifndef TALLOC_C_TESTS_FAILING_MALLOC_H
#define TALLOC_C_TESTS_FAILING_MALLOC_H

#include <stdbool.h>
#include <stdint.h>

/* What is called: malloc, calloc or realloc; mmap; mprotect. */
enum { FOR_BLOCKS, FOR_PAGES, FOR_ACCESS, CALLEES };

/* From now on the k-th call fails, and if all is set, all after it too. */
typedef void failing_malloc_arm_fn(long k, bool all);
/* From now on all calls of mmap and mprotect fail. */
typedef void failing_malloc_arm_pages_fn(void);
/* No call fails any more. */
typedef void failing_malloc_disarm_fn(void);
/* Calls since arm(), and how many of them failed. */
typedef long failing_malloc_calls_fn(void);
typedef long failing_malloc_failed_fn(void);
/* Those that failed of one kind. */
typedef long failing_malloc_failed_at_fn(int callee);
/* Blocks that libtalloc has got and not given back; -1 if there were too many
 * to keep in mind. */
typedef long failing_malloc_live_fn(void);
/* Bytes of address space that it has mapped and not given back; likewise. */
typedef long failing_malloc_mapped_fn(void);

failing_malloc_arm_fn failing_malloc_arm;
failing_malloc_arm_pages_fn failing_malloc_arm_pages;
failing_malloc_disarm_fn failing_malloc_disarm;
failing_malloc_calls_fn failing_malloc_calls;
failing_malloc_failed_fn failing_malloc_failed;
failing_malloc_failed_at_fn failing_malloc_failed_at;
failing_malloc_live_fn failing_malloc_live;
failing_malloc_mapped_fn failing_malloc_mapped;

/* ---- for verdict.c, which is linked to it ---------------------------------- */

/* Freed blocks are kept and not used again, so that a dead pointer stays one. */
void failing_malloc_keep(void);
/* Does the address lie in a block that libtalloc has freed? */
bool failing_malloc_is_dead(uintptr_t address);
bool failing_malloc_in_talloc(uintptr_t address);
/* Where its code begins, and how long that is. */
void failing_malloc_talloc(uintptr_t *first, uintptr_t *length);

/* Called, if it is there, for the n-th call; it may have to fail. */
void failing_malloc_seen(long n, bool fails) __attribute__((weak));

/* ---- between each.c and verdict.c ------------------------------------------ */

/* How a process ended that met a failing allocation. */
enum verdict {
	/* A signal in the program's own code, or in what it called. */
	OF_THE_PROGRAM = 1,
	/* In the library, which was given a pointer to no live chunk. */
	DEAD_POINTER,
	/* In the library, for no such reason. */
	OF_THE_LIBRARY,
	/* Ended by each.c because it took long, outside of the library. */
	CUT,
};

struct ending {
	enum verdict verdict;
	int signal;
	long failed;        /* allocations that had failed before */
	char function[40];  /* of talloc.h, that the program had called last */
	char at[96];        /* where the library was, for OF_THE_LIBRARY */
	uintptr_t caller;   /* the offset in the program of that call */
};

enum { ENDINGS = 200, SITES = 1 << 16 };

/* In memory that all processes of a run share. */
struct run {
	long calls;   /* the most that one process made */
	long failed;  /* the most that failed in one process */
	int endings;
	struct ending ending[ENDINGS];
	/* Where in the program was the call that made the n-th allocation? */
	uint32_t site[SITES];
};

/* The environment of a run: what is to fail ("12", or "12+" for all from there
 * on), and the number of the open file that holds the struct run. */
#define FAILING_MALLOC "FAILING_MALLOC"
#define FAILING_MALLOC_FD "FAILING_MALLOC_FD"

#endif
