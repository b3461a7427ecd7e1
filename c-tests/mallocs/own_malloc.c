/*
 * A malloc of the program's own, to be linked into it: blocks of freed memory are given
 * out again, what a program may not touch is checked when it frees, and nothing is known
 * about a block but by its own header.  So it ends the program if it is given a block
 * that is not its own, or one that was written to behind its end.
 *
 * ALIGN is how blocks are aligned, and no better than that.  With USABLE it has a
 * malloc_usable_size(), which ends the program; without, glibc's is there and finds
 * nonsense in front of a block.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef ALIGN
#define ALIGN 16
#endif

#define GUARD 16
#define STEP 32u
#define CLASSES 256u
#define REGION (8u << 20)
#define ALIVE 0x5a5a1234u
#define DEAD 0x0dead123u

/* In front of the user's bytes, without regard to how it lies. */
struct head {
	uint32_t size, state;
	/* where glibc would look for the size: "a mapping of its own, terabytes" */
	uint64_t nonsense;
} __attribute__((packed));

static char *at, *end;
static void *free_blocks[CLASSES];
static int taken;

static void lock(void)
{
	while (__atomic_exchange_n(&taken, 1, __ATOMIC_ACQUIRE))
		;
}

static void unlock(void)
{
	__atomic_store_n(&taken, 0, __ATOMIC_RELEASE);
}

static void wrong(const char *what)
{
	ssize_t n = write(2, what, strlen(what));

	(void)n;
	_exit(77 + (n < 0));
}

static size_t room_for(size_t size)
{
	return (size + sizeof(struct head) + GUARD + 16 + STEP - 1) & ~(size_t)(STEP - 1);
}

static struct head head_of(const void *ptr)
{
	struct head h;

	memcpy(&h, (const char *)ptr - sizeof(h), sizeof(h));
	return h;
}

static void set_head(void *ptr, size_t size, uint32_t state)
{
	struct head h = { (uint32_t)size, state, 0x00000fffffffff02u | (uint64_t)(size << 12) };

	memcpy((char *)ptr - sizeof(h), &h, sizeof(h));
}

void *malloc(size_t size)
{
	size_t room = room_for(size), class = room / STEP;
	char *ptr;

	if (size > (1u << 30)) {
		errno = ENOMEM;
		return NULL;
	}
	lock();
	if (class < CLASSES && free_blocks[class] != NULL) {
		ptr = free_blocks[class];
		memcpy(&free_blocks[class], ptr, sizeof(void *));
	} else {
		if ((size_t)(end - at) < room) {
			size_t length = room > REGION ? room : REGION;

			at = mmap(NULL, length, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			if (at == MAP_FAILED) {
				at = end = NULL;
				unlock();
				errno = ENOMEM;
				return NULL;
			}
			end = at + length;
		}
		/* a multiple of 16 and ALIGN more: of no more than ALIGN */
		ptr = at + sizeof(struct head) + (ALIGN == 16 ? 0 : ALIGN);
		at += room;
		memset(ptr, 0xcd, size);
	}
	unlock();
	set_head(ptr, size, ALIVE);
	memset(ptr + size, 0xab, GUARD);
	return ptr;
}

static size_t check(const void *ptr)
{
	struct head h = head_of(ptr);
	const unsigned char *guard = (const unsigned char *)ptr + h.size;
	int i;

	if (h.state == DEAD)
		wrong("own malloc: freed already\n");
	if (h.state != ALIVE)
		wrong("own malloc: no block of it\n");
	for (i = 0; i < GUARD; i++)
		if (guard[i] != 0xab)
			wrong("own malloc: written to behind its end\n");
	return h.size;
}

void free(void *ptr)
{
	size_t size, class;

	if (ptr == NULL)
		return;
	size = check(ptr);
	class = room_for(size) / STEP;
	set_head(ptr, size, DEAD);
	/* its contents stay as they are: that is allowed, too */
	if (class < CLASSES) {
		lock();
		memcpy(ptr, &free_blocks[class], sizeof(void *));
		free_blocks[class] = ptr;
		unlock();
	} else {
		memset(ptr, 0xdd, size);
	}
}

void *calloc(size_t count, size_t size)
{
	void *ptr;

	if (size != 0 && count > (1u << 30) / size) {
		errno = ENOMEM;
		return NULL;
	}
	ptr = malloc(count * size);
	if (ptr != NULL)
		memset(ptr, 0, count * size);
	return ptr;
}

/* Moves always, so that nobody may rely on staying. */
void *realloc(void *ptr, size_t size)
{
	size_t old;
	void *moved;

	if (ptr == NULL)
		return malloc(size);
	old = check(ptr);
	moved = malloc(size);
	if (moved == NULL)
		return NULL;
	memcpy(moved, ptr, old < size ? old : size);
	free(ptr);
	return moved;
}

#ifdef USABLE
size_t malloc_usable_size(void *ptr)
{
	(void)ptr;
	wrong("own malloc: asked for what a block holds\n");
	return 0;
}
#endif
