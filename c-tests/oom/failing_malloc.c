/*
 * To be preloaded: malloc, calloc, realloc, mmap and mprotect that fail when
 * libtalloc.so.2 calls them and somebody wants it so.
 *
 * Whether libtalloc calls is told by the return address.  (It never calls them
 * as the last thing it does, since it looks at the result; so there is one.)
 * A free counts by its block and an munmap by its pages, since it may well be
 * the last thing.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "failing_malloc.h"

/* What glibc calls the real ones.  dlsym() would allocate itself. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *ptr, size_t size);
extern void __libc_free(void *ptr);

/* ---- whose call is it? ------------------------------------------------------ */

static uintptr_t talloc_start, talloc_end;

bool failing_malloc_in_talloc(uintptr_t address)
{
	return address >= talloc_start && address < talloc_end;
}

void failing_malloc_talloc(uintptr_t *first, uintptr_t *length)
{
	*first = talloc_start;
	*length = talloc_end - talloc_start;
}

static int find_talloc(struct dl_phdr_info *info, size_t size, void *unused)
{
	const char *name = strrchr(info->dlpi_name, '/');
	int i;

	(void)size;
	(void)unused;
	name = name != NULL ? name + 1 : info->dlpi_name;
	if (strncmp(name, "libtalloc.so.2", 14) != 0)
		return 0;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_X) != 0) {
			talloc_start = info->dlpi_addr + part->p_vaddr;
			talloc_end = talloc_start + part->p_memsz;
		}
	}
	return 1;
}

#define CALLED_BY_TALLOC() failing_malloc_in_talloc((uintptr_t)__builtin_return_address(0))

/* ---- what fails -------------------------------------------------------------- */

static atomic_long calls, failed[CALLEES];
static atomic_long first = 0; /* 0: none */
static atomic_bool from_there_on, pages_alone;

static void arm(long k, bool all, bool pages)
{
	int i;

	calls = 0;
	for (i = 0; i < CALLEES; i++)
		failed[i] = 0;
	from_there_on = all;
	pages_alone = pages;
	first = k;
}

void failing_malloc_arm(long k, bool all)
{
	arm(k, all, false);
}

void failing_malloc_arm_pages(void)
{
	arm(1, true, true);
}

void failing_malloc_disarm(void)
{
	first = 0;
}

long failing_malloc_calls(void)
{
	return calls;
}

long failing_malloc_failed_at(int callee)
{
	return failed[callee];
}

long failing_malloc_failed(void)
{
	return failed[FOR_BLOCKS] + failed[FOR_PAGES] + failed[FOR_ACCESS];
}

static bool fails(int callee)
{
	long n = ++calls, k = first;
	bool fail = k != 0 && (n == k || (n > k && from_there_on)) &&
		    !(pages_alone && callee == FOR_BLOCKS);

	if (failing_malloc_seen != NULL)
		failing_malloc_seen(n, fail);
	if (fail) {
		failed[callee]++;
		errno = ENOMEM;
	}
	return fail;
}

/* ---- the blocks of libtalloc ---------------------------------------------------- */

struct block {
	uintptr_t start; /* 0: nobody lives here */
	size_t size;     /* 0: freed, and kept */
	size_t kept;
};

enum { SLOTS = 1 << 18, MOST = SLOTS / 4 * 3 };

/* Open addressing, linear probing. */
static struct block blocks[SLOTS];
static long taken, live;
static bool keep, too_many;

static atomic_flag lock = ATOMIC_FLAG_INIT;

static void take_lock(void)
{
	while (atomic_flag_test_and_set(&lock))
		;
}

static void give_lock(void)
{
	atomic_flag_clear(&lock);
}

static size_t home_of(uintptr_t start)
{
	return (start >> 4) * 0x9E3779B97F4A7C15u >> 46;
}

/* Its slot, or the free one where it would be. */
static size_t slot_of(uintptr_t start)
{
	size_t i = home_of(start);

	while (blocks[i].start != 0 && blocks[i].start != start)
		i = (i + 1) % SLOTS;
	return i;
}

static void remember(void *ptr, size_t size)
{
	size_t i;

	if (ptr == NULL)
		return;
	take_lock();
	i = slot_of((uintptr_t)ptr);
	if (blocks[i].start == 0 && taken >= MOST) {
		too_many = true;
	} else {
		taken += blocks[i].start == 0;
		live++;
		blocks[i] = (struct block){ (uintptr_t)ptr, size + 1, 0 };
	}
	give_lock();
}

/* The slot is free; those behind it that belong further up move there. */
static void close_gap(size_t gap)
{
	size_t i = gap;

	blocks[gap].start = 0;
	for (;;) {
		size_t want;

		i = (i + 1) % SLOTS;
		if (blocks[i].start == 0)
			return;
		want = home_of(blocks[i].start);
		if ((i - want) % SLOTS < (i - gap) % SLOTS)
			continue;
		blocks[gap] = blocks[i];
		blocks[i].start = 0;
		gap = i;
	}
}

/* True if it was a live block of libtalloc. */
static bool forget(void *ptr)
{
	bool known;
	size_t i;

	take_lock();
	i = slot_of((uintptr_t)ptr);
	known = blocks[i].start != 0 && blocks[i].size != 0;
	if (known) {
		live--;
		if (keep) {
			blocks[i].kept = blocks[i].size;
			blocks[i].size = 0;
		} else {
			taken--;
			close_gap(i);
		}
	}
	give_lock();
	return known;
}

long failing_malloc_live(void)
{
	return too_many ? -1 : live;
}

void failing_malloc_keep(void)
{
	keep = true;
}

bool failing_malloc_is_dead(uintptr_t address)
{
	size_t i;

	for (i = 0; i < SLOTS; i++) {
		if (blocks[i].start != 0 && blocks[i].size == 0 &&
		    address >= blocks[i].start &&
		    address <= blocks[i].start + blocks[i].kept)
			return true;
	}
	return false;
}

/* ---- malloc ------------------------------------------------------------------------ */

void *malloc(size_t size)
{
	void *ptr;

	if (!CALLED_BY_TALLOC())
		return __libc_malloc(size);
	if (fails(FOR_BLOCKS))
		return NULL;
	ptr = __libc_malloc(size);
	remember(ptr, size);
	return ptr;
}

void *calloc(size_t count, size_t size)
{
	void *ptr;

	if (!CALLED_BY_TALLOC())
		return __libc_calloc(count, size);
	if (fails(FOR_BLOCKS))
		return NULL;
	ptr = __libc_calloc(count, size);
	remember(ptr, count * size);
	return ptr;
}

void free(void *ptr)
{
	if (ptr != NULL && forget(ptr) && keep)
		return;
	__libc_free(ptr);
}

void *realloc(void *ptr, size_t size)
{
	void *new;
	size_t old;

	if (!CALLED_BY_TALLOC())
		return __libc_realloc(ptr, size);
	if (fails(FOR_BLOCKS))
		return NULL;
	if (!keep || ptr == NULL) {
		/* Out of the table first: once the block is free, another thread may
		 * get one at its place. */
		bool known = ptr != NULL && forget(ptr);

		old = ptr != NULL ? malloc_usable_size(ptr) : 0;
		new = __libc_realloc(ptr, size);
		if (new == NULL && known)
			remember(ptr, old);
		remember(new, size);
		return new;
	}
	new = __libc_malloc(size);
	if (new == NULL)
		return NULL;
	old = malloc_usable_size(ptr);
	memcpy(new, ptr, old < size ? old : size);
	remember(new, size);
	/* Whoever still uses it shall not take it for a chunk. */
	if (forget(ptr))
		memset(ptr, 0xEB, old);
	return new;
}

/* ---- pages ------------------------------------------------------------------------- */

static void *(*real_mmap)(void *, size_t, int, int, int, off_t);
static int (*real_munmap)(void *, size_t);
static int (*real_mprotect)(void *, size_t, int);

static void find_real(void)
{
	real_mmap = (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, "mmap");
	real_munmap = (int (*)(void *, size_t))dlsym(RTLD_NEXT, "munmap");
	real_mprotect = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "mprotect");
}

/* What libtalloc has mapped. */
static struct span {
	uintptr_t start, end;
} spans[1024];

enum { SPANS = sizeof(spans) / sizeof(spans[0]) };

static int span_count;
static long mapped;
static bool too_many_spans;

/* With the lock. */
static void add_span(uintptr_t start, uintptr_t end)
{
	if (start == end)
		return;
	if (span_count == SPANS) {
		too_many_spans = true;
		return;
	}
	spans[span_count++] = (struct span){ start, end };
	mapped += (long)(end - start);
}

static void forget_span(uintptr_t start, uintptr_t end)
{
	int i;

	take_lock();
	for (i = span_count - 1; i >= 0; i--) {
		struct span s = spans[i];

		if (s.end <= start || end <= s.start)
			continue;
		spans[i] = spans[--span_count];
		mapped -= (long)(s.end - s.start);
		add_span(s.start, s.start < start ? start : s.start);
		add_span(s.end > end ? end : s.end, s.end);
	}
	give_lock();
}

long failing_malloc_mapped(void)
{
	return too_many_spans ? -1 : mapped;
}

void *mmap(void *place, size_t size, int access, int flags, int fd, off_t at)
{
	bool ours = CALLED_BY_TALLOC();
	void *ptr;

	if (real_mmap == NULL)
		find_real();
	if (ours && fails(FOR_PAGES))
		return MAP_FAILED;
	ptr = real_mmap(place, size, access, flags, fd, at);
	if (ours && ptr != MAP_FAILED) {
		take_lock();
		add_span((uintptr_t)ptr, (uintptr_t)ptr + size);
		give_lock();
	}
	return ptr;
}

int munmap(void *place, size_t size)
{
	if (real_munmap == NULL)
		find_real();
	forget_span((uintptr_t)place, (uintptr_t)place + size);
	return real_munmap(place, size);
}

int mprotect(void *place, size_t size, int access)
{
	if (real_mprotect == NULL)
		find_real();
	if (CALLED_BY_TALLOC() && fails(FOR_ACCESS))
		return -1;
	return real_mprotect(place, size, access);
}

/* Before the constructor of verdict.c. */
__attribute__((constructor(101))) static void start(void)
{
	find_real();
	dl_iterate_phdr(find_talloc, NULL);
	pthread_atfork(take_lock, give_lock, give_lock);
}
