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
#include <stdlib.h>

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

/* ---- for sysmem.rs ------------------------------------------------------ */

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
	request(MAKE_DEFINED, header, (uintptr_t)((char *)user - (char *)header), 0, 0);
	talloc_impl_hide(end, room);
}

/* It is freed, its members may be alive. */
void talloc_impl_open_gone(void *arena, void *header, void *user, void *end)
{
	talloc_impl_gone(arena, header, user, end);
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

/* ---- for mac.rs ------------------------------------------------------------ */

void talloc_impl_make_keys(void);
void talloc_impl_look_around(void);
void talloc_impl_look_for_report(void);

/* ---- for root.rs ---------------------------------------------------------- */

int talloc_impl_is_single_threaded(void);

#if defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#define HAS_SINGLE_THREADED
#endif
#endif

#ifdef HAS_SINGLE_THREADED

int talloc_impl_is_single_threaded(void)
{
	return __libc_single_threaded;
}
#else
int talloc_impl_is_single_threaded(void)
{
	return 0;
}
#endif

/* ---- the magazines of a thread, for magazine.rs ---------------------------- */

void talloc_impl_magazines_close(void *magazines);
int talloc_impl_magazines_keep(void *magazines);

/* Those that nothing is in before the first block is freed, and once the thread ends. */
extern char talloc_impl_no_magazines[];

/*
 * The pointer of a thread lies in its static thread-local storage, at the same distance
 * from the thread pointer in all threads, if the loader has room left there when it loads
 * us.  If it has none, no thread keeps anything.  A descriptor (TLSDESC) tells which it is:
 * where the variable is static, it holds the distance that it answers; a static program
 * has no descriptor, but the distance itself.
 */
__attribute__((used, visibility("hidden")))
__thread void *talloc_impl_magazines = talloc_impl_no_magazines;

#if defined(__x86_64__) || defined(__aarch64__)
uintptr_t talloc_impl_ask_descriptor(uintptr_t *descriptor) __attribute__((visibility("hidden")));

__asm__(".text\n"
	".hidden talloc_impl_ask_descriptor\n"
	".type talloc_impl_ask_descriptor, %function\n"
	"talloc_impl_ask_descriptor:\n\t"
#if defined(__x86_64__)
	"lea talloc_impl_magazines@tlsdesc(%rip), %rax\n\t"
	"mov %rax, (%rdi)\n\t"
	"call *talloc_impl_magazines@tlscall(%rax)\n\t"
#else
	"stp x29, x30, [sp, #-16]!\n\t"
	"mov x2, x0\n\t"
	"adrp x0, :tlsdesc:talloc_impl_magazines\n\t"
	"ldr x1, [x0, #:tlsdesc_lo12:talloc_impl_magazines]\n\t"
	"add x0, x0, #:tlsdesc_lo12:talloc_impl_magazines\n\t"
	"str x0, [x2]\n\t"
	".tlsdesccall talloc_impl_magazines\n\t"
	"blr x1\n\t"
	"ldp x29, x30, [sp], #16\n\t"
#endif
	"ret\n"
	".size talloc_impl_ask_descriptor, . - talloc_impl_ask_descriptor\n");

/* How far the pointer is from the thread pointer; 0 if that differs. */
static uintptr_t distance(void)
{
	uintptr_t descriptor, answer = talloc_impl_ask_descriptor(&descriptor);

	if (descriptor != answer && ((uintptr_t *)descriptor)[1] != answer)
		return 0;
	return answer;
}

void talloc_impl_magazines_at(uintptr_t distance);

static uintptr_t known_distance;

static void find_magazines(void)
{
	known_distance = distance();
	talloc_impl_magazines_at(known_distance);
}

static int can_have_magazines(void)
{
	return known_distance != 0;
}

static void set_magazines(void *magazines)
{
#if defined(__x86_64__)
	__asm__ volatile("mov %1, %%fs:(%0)" : : "r"(known_distance), "r"(magazines) : "memory");
#else
	*(void **)((char *)__builtin_thread_pointer() + known_distance) = magazines;
#endif
}
#else
void *talloc_impl_magazines_now(void);

void *talloc_impl_magazines_now(void)
{
	return talloc_impl_magazines;
}

static void find_magazines(void)
{
}

static int can_have_magazines(void)
{
	return 1;
}

static void set_magazines(void *magazines)
{
	talloc_impl_magazines = magazines;
}
#endif

static pthread_key_t key;
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static int has_key;

/*
 * The values of the key while the thread ends: what it frees from then on is not kept.  The
 * C library asks four times whether there is a value; some tools are gone by the last.
 */
static char ends[2];

static void thread_ends(void *magazines)
{
	if (magazines == &ends[0]) {
		pthread_setspecific(key, &ends[1]);
	} else if (magazines != &ends[1]) {
		set_magazines(talloc_impl_no_magazines);
		talloc_impl_magazines_close(magazines);
		pthread_setspecific(key, &ends[0]);
	}
}

static void make_key(void)
{
	has_key = pthread_key_create(&key, thread_ends) == 0;
}

/*
 * After dlclose nobody can call us, and all that we have has to go; at exit threads may go
 * on.  A handler tells the two apart, which is registered for a library of its own, so that
 * only exit runs it, and which is taken back at dlclose.
 */
extern int __cxa_atexit(void (*function)(void *), void *arg, void *library);
extern void __cxa_finalize(void *library);
void talloc_impl_notice_exit(void);

static int exits;
static char at_exit_alone;

static void process_exits(void *unused)
{
	(void)unused;
	exits = 1;
}

void talloc_impl_notice_exit(void)
{
	static int noticed;

	if (!__atomic_exchange_n(&noticed, 1, __ATOMIC_RELAXED))
		__cxa_atexit(process_exits, NULL, &at_exit_alone);
}

/* 1 if the thread has these from now on, 0 if it may have none. */
int talloc_impl_magazines_keep(void *magazines)
{
	if (!can_have_magazines())
		return 0;
	pthread_once(&key_once, make_key);
	if (!has_key || pthread_getspecific(key) != NULL || pthread_setspecific(key, magazines) != 0)
		return 0;
	talloc_impl_notice_exit();
	set_magazines(magazines);
	return 1;
}

void talloc_impl_come(void);

__attribute__((constructor)) void talloc_impl_come(void)
{
	static int is_there;

	if (is_there)
		return;
	is_there = 1;
	find_magazines();
	talloc_impl_look_around();
	talloc_impl_make_keys();
	talloc_impl_look_for_report();
}

void talloc_impl_unload(void);
void talloc_impl_forget_report(void);

/*
 * With this priority after the handlers that atexit has from this library, which dlclose
 * runs: they free the autofree context and report leaks.
 */
__attribute__((destructor(101))) static void library_goes(void)
{
	if (exits)
		return;
	__cxa_finalize(&at_exit_alone);
	if (has_key) {
		pthread_key_delete(key);
		has_key = 0;
		set_magazines(talloc_impl_no_magazines);
	}
	talloc_impl_forget_report();
	talloc_impl_unload();
}
