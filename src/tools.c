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
void talloc_impl_open(void *arena, void *room, size_t size);
void talloc_impl_close(void *arena);
void talloc_impl_show(void *place, size_t size);
void talloc_impl_member(void *arena, void *place, size_t size);
void talloc_impl_gone(void *arena, void *place, size_t size);
void talloc_impl_resized(void *arena, void *place, size_t old_size, size_t size);

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
static void hide(void *place, size_t size)
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

/* The room of a pool or cache, empty. */
void talloc_impl_open(void *arena, void *room, size_t size)
{
	request(CREATE_MEMPOOL, arena, GAP, 0, 0);
	hide(room, size);
}

/* The block of a pool or cache goes. */
void talloc_impl_close(void *arena)
{
	request(DESTROY_MEMPOOL, arena, 0, 0, 0);
}

/* The user memory of a new member. */
void talloc_impl_member(void *arena, void *place, size_t size)
{
	request(MEMPOOL_ALLOC, arena, (uintptr_t)place, size, 0);
	talloc_impl_show(place, size);
}

/* That of one that is freed. */
void talloc_impl_gone(void *arena, void *place, size_t size)
{
	request(MEMPOOL_FREE, arena, (uintptr_t)place, 0, 0);
	hide(place, size);
}

/* That of one that keeps its place. */
void talloc_impl_resized(void *arena, void *place, size_t old_size, size_t size)
{
	char *end = place;

	request(MEMPOOL_CHANGE, arena, (uintptr_t)place, (uintptr_t)place, size);
	if (size > old_size)
		talloc_impl_show(end + old_size, size - old_size);
	else
		hide(end + size, old_size - size);
}
