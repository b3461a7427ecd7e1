/*
 * What memory tools are told: valgrind by client requests, AddressSanitizer by
 * the functions of its runtime, if it is in the process.  Without a tool only
 * talloc_impl_tool() is ever called.
 *
 * A block from malloc is known to them anyway. They are told what happens inside
 * a pool or cache: where a member lies, and that it is gone.
 */
#include <stddef.h>
#include <stdint.h>

/* What tools.rs leaves free behind a member, at least. */
enum { GAP = 16 };

int talloc_impl_tool(void);
void talloc_impl_open(void *arena, void *header, void *user, void *end, size_t room);
void talloc_impl_open_gone(void *arena, void *header, void *user, void *end);
void talloc_impl_close(void *arena);
void talloc_impl_hide(void *place, size_t size);
void talloc_impl_show(void *place, size_t size);
void talloc_impl_member(void *arena, void *header, void *end);
void talloc_impl_gone(void *arena, void *header, void *user, void *end);
void talloc_impl_resized(void *arena, void *header, void *old_end, void *end);

/* ---- valgrind ------------------------------------------------------------ */

/* Numbers of valgrind's interface, which are the same in all its versions. */
enum {
	RUNNING_ON_VALGRIND = 0x1001,
	CREATE_MEMPOOL = 0x1303,
	DESTROY_MEMPOOL = 0x1304,
	MEMPOOL_ALLOC = 0x1305,
	MEMPOOL_FREE = 0x1306,
	MEMPOOL_CHANGE = 0x1309,
	MAKE_NOACCESS = 0x4d430000, /* 'M' 'C' 0 0 */
	MAKE_UNDEFINED,
	MAKE_DEFINED
};

/*
 * A sequence of instructions that does nothing, and that valgrind, which
 * translates all code, takes for a request.
 */
static uintptr_t request(uintptr_t what, const void *a, uintptr_t b, uintptr_t c,
			 uintptr_t d)
{
	uintptr_t result = 0;
	volatile uintptr_t args[6] = { what, (uintptr_t)a, b, c, d, 0 };

#if defined(__x86_64__) && !defined(__ILP32__)
	__asm__ volatile("rolq $3, %%rdi\n\trolq $13, %%rdi\n\t"
			 "rolq $61, %%rdi\n\trolq $51, %%rdi\n\t"
			 "xchgq %%rbx, %%rbx"
			 : "+d"(result)
			 : "a"(args)
			 : "cc", "memory");
#elif defined(__aarch64__)
	register uintptr_t x3 __asm__("x3") = result;
	register volatile uintptr_t *x4 __asm__("x4") = args;

	__asm__ volatile("ror x12, x12, #3\n\tror x12, x12, #13\n\t"
			 "ror x12, x12, #51\n\tror x12, x12, #61\n\t"
			 "orr x10, x10, x10"
			 : "+r"(x3)
			 : "r"(x4)
			 : "cc", "memory");
	result = x3;
#else
	(void)args;
#endif
	return result;
}

/* ---- AddressSanitizer ---------------------------------------------------- */

__attribute__((weak)) void __asan_poison_memory_region(void const volatile *place, size_t size);
__attribute__((weak)) void __asan_unpoison_memory_region(void const volatile *place,
							 size_t size);

/* ---- for arena.rs -------------------------------------------------------- */

/* Is one of them watching? */
int talloc_impl_tool(void)
{
	return __asan_poison_memory_region != NULL ||
	       request(RUNNING_ON_VALGRIND, NULL, 0, 0, 0) != 0;
}

/* No access to size bytes. */
void talloc_impl_hide(void *place, size_t size)
{
	request(MAKE_NOACCESS, place, size, 0, 0);
	if (__asan_poison_memory_region != NULL)
		__asan_poison_memory_region(place, size);
}

/* Access again; they are written before they are read. */
void talloc_impl_show(void *place, size_t size)
{
	request(MAKE_UNDEFINED, place, size, 0, 0);
	if (__asan_unpoison_memory_region != NULL)
		__asan_unpoison_memory_region(place, size);
}

/*
 * A pool or cache: its arena, its header, the user's bytes, and the room behind
 * them, empty.  It is a member of itself, so that a leak check that has reached
 * it goes on from there.
 */
void talloc_impl_open(void *arena, void *header, void *user, void *end, size_t room)
{
	request(CREATE_MEMPOOL, arena, GAP, 0, 0);
	talloc_impl_member(arena, header, end);
	request(MAKE_DEFINED, arena, (uintptr_t)((char *)user - (char *)arena), 0, 0);
	talloc_impl_hide(end, room);
}

/* It is freed, its members may be alive. */
void talloc_impl_open_gone(void *arena, void *header, void *user, void *end)
{
	talloc_impl_gone(arena, header, user, end);
	request(MAKE_DEFINED, arena, (uintptr_t)((char *)user - (char *)arena), 0, 0);
}

/* The block of a pool or cache goes. */
void talloc_impl_close(void *arena)
{
	request(DESTROY_MEMPOOL, arena, 0, 0, 0);
}

/*
 * A new member: its header, to which others link, so that a leak check finds it,
 * and the user's bytes up to end.
 */
void talloc_impl_member(void *arena, void *header, void *end)
{
	size_t size = (size_t)((char *)end - (char *)header);

	request(MEMPOOL_ALLOC, arena, (uintptr_t)header, size, 0);
	talloc_impl_show(header, size);
}

/* It is freed. Its header can still be looked at. */
void talloc_impl_gone(void *arena, void *header, void *user, void *end)
{
	request(MEMPOOL_FREE, arena, (uintptr_t)header, 0, 0);
	talloc_impl_hide(user, (size_t)((char *)end - (char *)user));
	request(MAKE_DEFINED, header, (uintptr_t)((char *)user - (char *)header), 0, 0);
}

/* It has another end. */
void talloc_impl_resized(void *arena, void *header, void *old_end, void *end)
{
	char *from = old_end, *to = end;

	request(MEMPOOL_CHANGE, arena, (uintptr_t)header, (uintptr_t)header,
		(uintptr_t)(to - (char *)header));
	if (to > from)
		talloc_impl_show(from, (size_t)(to - from));
	else
		talloc_impl_hide(to, (size_t)(from - to));
}
