/*
 * What Rust without std cannot say: a thread-local variable with a model of its
 * own, and requests to memory tools.
 *
 * What memory tools are told: valgrind's memcheck by client requests, AddressSanitizer by
 * the functions of its runtime, if it is in the process.  Without a tool that watches
 * accesses only talloc_impl_tool() is ever called.
 *
 * A block from malloc is known to them anyway. They are told what happens inside
 * a pool or cache: where a member lies, and that it is gone.
 */
#include <pthread.h>
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
__attribute__((noinline)) static uintptr_t request(uintptr_t what, const void *a, uintptr_t b, uintptr_t c,
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

/* ---- tools that look at malloc alone ------------------------------------- */

/* LeakSanitizer, also as a part of other sanitizers. */
__attribute__((weak)) void __lsan_do_leak_check(void);

/* heaptrack, preloaded or linked. */
__attribute__((weak)) void heaptrack_stop(void);

/* ---- for heap.rs --------------------------------------------------------- */

/*
 * What tool there is: NO_TOOL; LOOKS_ON, one that makes out whose a block is by the
 * calls of malloc and free, or counts what is executed; WATCHES, one that wants to be
 * told what may be accessed.
 */
enum { NO_TOOL, LOOKS_ON, WATCHES };

int talloc_impl_tool(void)
{
	char none = 0;

	/* memcheck says -1 to this, valgrind's other tools nothing. */
	if (__asan_poison_memory_region != NULL || request(MAKE_DEFINED, &none, 0, 0, 0) != 0)
		return WATCHES;
	if (__lsan_do_leak_check != NULL || heaptrack_stop != NULL ||
	    request(RUNNING_ON_VALGRIND, NULL, 0, 0, 0) != 0)
		return LOOKS_ON;
	return NO_TOOL;
}

/* ---- for tools.rs -------------------------------------------------------- */

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

/* ---- for fault.rs ---------------------------------------------------------- */

const char *talloc_impl_call(void);
void talloc_impl_in_call(const char *name);

/* What a thread is doing, for a message. */
__attribute__((visibility("hidden"), tls_model("initial-exec")))
__thread const char *talloc_impl_call_now;

const char *talloc_impl_call(void)
{
	return talloc_impl_call_now != NULL ? talloc_impl_call_now : "an earlier call";
}

void talloc_impl_in_call(const char *name)
{
	talloc_impl_call_now = name;
}

/* ---- for key.rs ------------------------------------------------------------ */

void talloc_impl_loaded(void);

__attribute__((constructor)) static void library_comes(void)
{
	talloc_impl_loaded();
}

/* ---- the cache of a thread, for heap.rs ---------------------------------- */

void talloc_impl_cache_close(void *cache);
void *talloc_impl_cache_now(void);
int talloc_impl_cache_keep(void *cache);

/* The empty one before the first block is freed, and once the thread ends. */
extern char talloc_impl_no_cache[];
__attribute__((visibility("hidden"), tls_model("initial-exec")))
__thread void *talloc_impl_cache = talloc_impl_no_cache;

/* Set when the thread ends: what it frees from then on is not kept. */
__attribute__((tls_model("initial-exec"))) static __thread int thread_ends;

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int has_key;

void *talloc_impl_cache_now(void)
{
	return talloc_impl_cache;
}

static void close_cache(void *cache)
{
	talloc_impl_cache = talloc_impl_no_cache;
	thread_ends = 1;
	talloc_impl_cache_close(cache);
}

static void make_key(void)
{
	has_key = pthread_key_create(&key, close_cache) == 0;
}

/* 1 if the thread has this cache from now on, 0 if it may have none. */
int talloc_impl_cache_keep(void *cache)
{
	if (thread_ends)
		return 0;
	pthread_once(&key_once, make_key);
	if (!has_key || pthread_setspecific(key, cache) != 0)
		return 0;
	talloc_impl_cache = cache;
	return 1;
}

/* After dlclose there is nobody to be called when a thread ends. */
__attribute__((destructor)) static void library_goes(void)
{
	if (has_key) {
		pthread_key_delete(key);
		has_key = 0;
		close_cache(talloc_impl_cache == talloc_impl_no_cache ? NULL : talloc_impl_cache);
	}
}
