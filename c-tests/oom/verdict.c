/*
 * To be preloaded together with failing_malloc.c into a test program that
 * expects memory: says whose fault it is when the program does not survive a
 * failing allocation.  each.c starts the runs and reads the verdicts.
 *
 * The rule.  When a signal ends a process after an allocation has failed:
 *  1. If the innermost frame that is neither libc's nor ours belongs to the
 *     program, it is the program's own fault, e.g. a use of the NULL it got.
 *  2. If it belongs to libtalloc, the arguments of the call of talloc.h that
 *     the program made last are looked at.  If a chunk among them is NULL where
 *     talloc.h does not allow it, lies in a block that libtalloc has freed, or
 *     is marked as freed, the program gave it a dead pointer.  So it did if it
 *     asked talloc_get_type_abort() for a type that the chunk is not of.
 *  3. Else it is the library's fault.
 * For 2, each function of talloc.h goes through a stub that notes its
 * arguments, and freed blocks are kept, so that a dead pointer stays dead.
 *
 * A process that takes long is sent SIGTERM again and again, and ends itself
 * unless it is inside of libtalloc.  So one that hangs there goes on, and each.c
 * sees it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <execinfo.h>
#include <link.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "failing_malloc.h"

#ifndef __x86_64__
#error "the stubs are for x86-64"
#endif

static struct run *run;

/* ---- stubs ------------------------------------------------------------------------ */

/* The last call from outside of libtalloc; the assembler knows the offsets. */
struct last_call {
	uintptr_t argument[3];
	uintptr_t caller;
	const char *function;
	unsigned long count;
};

struct last_call last_call __attribute__((visibility("hidden")));

/* All registers that carry arguments stay as they are. */
#define STUB(name)                                                             \
	extern void *real_##name __attribute__((visibility("hidden")));        \
	void *real_##name;                                                     \
	__asm__(".text\n"                                                      \
		".globl " #name "\n"                                           \
		".type " #name ", @function\n" #name ":\n"                     \
		"	push %rdi\n"                                           \
		"	mov 8(%rsp), %r11\n"                                   \
		"	mov %r11, %rdi\n"                                      \
		"	sub talloc_first(%rip), %r11\n"                        \
		"	cmp talloc_length(%rip), %r11\n"                       \
		"	jb 1f\n"                                               \
		"	mov %rdi, 24+last_call(%rip)\n"                        \
		"	mov (%rsp), %rdi\n"                                    \
		"	mov %rdi, last_call(%rip)\n"                           \
		"	mov %rsi, 8+last_call(%rip)\n"                         \
		"	mov %rdx, 16+last_call(%rip)\n"                        \
		"	lea 2f(%rip), %r11\n"                                  \
		"	mov %r11, 32+last_call(%rip)\n"                        \
		"	incq 40+last_call(%rip)\n"                             \
		"1:	pop %rdi\n"                                            \
		"	jmp *real_" #name "(%rip)\n"                           \
		"2:	.string \"" #name "\"\n"                               \
		".size " #name ", . - " #name "\n");

uintptr_t talloc_first __attribute__((visibility("hidden")));
uintptr_t talloc_length __attribute__((visibility("hidden")));

/* One STUB() for each line of abi/exports.txt. */
#include "stubs.h"

static const struct {
	const char *name;
	void **real;
} stubs[] = {
#undef STUB
#define STUB(name) { #name, &real_##name },
#include "stubs.h"
};

/*
 * A format of the greatest text there is takes longer than all the rest.  Its
 * length is known, and nobody looks at a text that long.
 */
int vsnprintf(char *place, size_t room, const char *fmt, va_list ap)
{
	static int (*real)(char *, size_t, const char *, va_list);

	if (strcmp(fmt, "%*s") == 0) {
		va_list again;
		int width;

		va_copy(again, ap);
		width = va_arg(again, int);
		va_end(again);
		if (width > 1 << 26)
			return width;
	}
	if (real == NULL)
		real = (int (*)(char *, size_t, const char *, va_list))dlsym(RTLD_NEXT, "vsnprintf");
	return real(place, room, fmt, ap);
}

/* ---- the arguments ------------------------------------------------------------------ */

/* Which arguments are chunks: a letter for each of the first three, c: a chunk or
 * NULL, C: a chunk, p: points to a chunk or NULL, -: none. */
static const struct {
	const char *function, *arguments;
} chunks[] = {
	{ "_talloc_steal_loc", "cc-" },
	{ "_talloc_reference_loc", "cc-" },
	{ "_talloc_move", "cp-" },
	{ "_talloc_realloc", "cc-" },
	{ "_talloc_realloc_array", "cc-" },
	{ "_talloc_realloc_array_zero", "cc-" },
	{ "talloc_realloc_fn", "cc-" },
	{ "talloc_reparent", "ccc" },
	{ "talloc_unlink", "cc-" },
	{ "talloc_is_parent", "c--" },
	{ "talloc_asprintf_addbuf", "p--" },
	{ "talloc_asprintf_addsep", "p--" },
	{ "talloc_get_name", "C--" },
	{ "talloc_set_name", "C--" },
	{ "talloc_set_name_const", "C--" },
	{ "_talloc_set_destructor", "C--" },
	{ "talloc_reference_count", "C--" },
	{ "talloc_set_memlimit", "C--" },
	{ "talloc_init", "---" },
	{ "talloc_set_abort_fn", "---" },
	{ "talloc_set_log_fn", "---" },
};

static bool marked_as_freed;

static void mark(const char *reason)
{
	(void)reason;
	marked_as_freed = true;
}

/* Does the library itself, asked plainly, say that this is no chunk? */
static bool is_refused(uintptr_t ptr)
{
	marked_as_freed = false;
	((void (*)(void (*)(const char *)))real_talloc_set_abort_fn)(mark);
	((void (*)(void (*)(const char *)))real_talloc_set_log_fn)(NULL);
	((size_t (*)(uintptr_t))real_talloc_get_size)(ptr);
	return marked_as_freed;
}

/* It wants an abort if the name is not this one. */
static bool is_called(uintptr_t ptr, uintptr_t name)
{
	return ((void *(*)(uintptr_t, uintptr_t))real_talloc_check_name)(ptr, name) != NULL;
}

static bool given_dead_pointer(void)
{
	const char *arguments = "c--";
	size_t i;
	int at;

	for (i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++) {
		if (strcmp(chunks[i].function, last_call.function) == 0)
			arguments = chunks[i].arguments;
	}
	for (at = 0; at < 3; at++) {
		uintptr_t ptr = last_call.argument[at];

		if (arguments[at] == '-')
			continue;
		if (arguments[at] == 'p')
			ptr = ptr != 0 ? *(uintptr_t *)ptr : 0;
		if (ptr == 0 ? arguments[at] == 'C' : failing_malloc_is_dead(ptr) || is_refused(ptr))
			return true;
	}
	return strcmp(last_call.function, "_talloc_get_type_abort") == 0 &&
	       !is_called(last_call.argument[0], last_call.argument[1]);
}

/* ---- signals ------------------------------------------------------------------------- */

static struct ending *new_ending(int sig, enum verdict verdict)
{
	int n = __atomic_fetch_add(&run->endings, 1, __ATOMIC_SEQ_CST);
	struct ending *e;

	if (n >= ENDINGS)
		return NULL;
	e = &run->ending[n];
	e->verdict = verdict;
	e->signal = sig;
	e->failed = failing_malloc_failed();
	return e;
}

static uintptr_t program_start;

static bool in_program(uintptr_t address, uintptr_t *offset)
{
	Dl_info info;

	if (dladdr((void *)address, &info) == 0 || (uintptr_t)info.dli_fbase != program_start)
		return false;
	*offset = address - program_start;
	return true;
}

/* The frames of the interrupted code, innermost first. */
static int frames_from(ucontext_t *context, void **frames, int most)
{
	void *pc = (void *)context->uc_mcontext.gregs[REG_RIP];
	int i, n = backtrace(frames, most);

	for (i = 0; i < n && frames[i] != pc; i++)
		;
	/* Not found: a jump into the void, say. The stack says who did it. */
	if (i == n) {
		frames[0] = pc;
		frames[1] = *(void **)context->uc_mcontext.gregs[REG_RSP];
		return 2;
	}
	memmove(frames, frames + i, (size_t)(n - i) * sizeof(*frames));
	return n - i;
}

static sigjmp_buf give_up;
static volatile sig_atomic_t judging, looking;

/* A look at a dead pointer may be too much; then it is dead as well. */
static bool blames_pointer(void)
{
	bool dead = true;

	if (sigsetjmp(give_up, 1) == 0) {
		looking = 1;
		dead = given_dead_pointer();
	}
	looking = 0;
	return dead;
}

static enum verdict verdict_on(void *const *frames, int n, uintptr_t *offset)
{
	int i;

	for (i = 0; i < n; i++) {
		if (failing_malloc_in_talloc((uintptr_t)frames[i]))
			break;
		if (in_program((uintptr_t)frames[i], offset))
			return OF_THE_PROGRAM;
	}
	return blames_pointer() ? DEAD_POINTER : OF_THE_LIBRARY;
}

static void judge(int sig, siginfo_t *info, void *context)
{
	enum verdict verdict;
	void *frames[64];
	struct ending *e;
	uintptr_t offset = 0;
	int i, n;

	(void)info;
	if (looking)
		siglongjmp(give_up, 1);
	if (judging) {
		signal(sig, SIG_DFL);
		return;
	}
	judging = 1;
	n = frames_from(context, frames, 64);
	verdict = verdict_on(frames, n, &offset);
	e = new_ending(sig, verdict);
	if (e != NULL) {
		in_program(last_call.caller, &e->caller);
		if (verdict == OF_THE_PROGRAM)
			e->caller = offset;
		snprintf(e->function, sizeof(e->function), "%s",
			 last_call.function != NULL ? last_call.function : "nothing");
		for (i = 0; i < n && verdict == OF_THE_LIBRARY; i++) {
			size_t used = strlen(e->at);

			if (failing_malloc_in_talloc((uintptr_t)frames[i]))
				snprintf(e->at + used, sizeof(e->at) - used, " %lx",
					 (unsigned long)((uintptr_t)frames[i] - talloc_first));
		}
	}
	/* It comes again when this returns, or abort() goes on. */
	signal(sig, SIG_DFL);
}

/* A process that is to end has not come out of libtalloc since. */
static volatile sig_atomic_t pending;
static volatile unsigned long pending_call;

static void take_long(int sig, siginfo_t *info, void *context)
{
	static unsigned long seen;
	void *frames[64];
	int i, n;

	(void)info;
	n = frames_from(context, frames, 64);
	for (i = 0; i < n; i++) {
		if (!failing_malloc_in_talloc((uintptr_t)frames[i]))
			continue;
		if (seen == 0 || seen == last_call.count) {
			seen = last_call.count;
			pending_call = seen;
			pending = 1;
			return;
		}
	}
	new_ending(sig, CUT);
	_exit(0);
}

void failing_malloc_seen(long n, bool fails)
{
	if (run == NULL)
		return;
	if (n < SITES && run->site[n] == 0)
		run->site[n] = (uint32_t)(last_call.caller - program_start);
	if (fails)
		run->failed = failing_malloc_failed() + 1;
	/* The call that it was in has come back. */
	if (pending && last_call.count != pending_call) {
		new_ending(SIGTERM, CUT);
		_exit(0);
	}
}

/* ---- beginning and end ------------------------------------------------------------------ */

static void count_calls(void)
{
	if (failing_malloc_calls() > run->calls)
		run->calls = failing_malloc_calls();
	if (failing_malloc_failed() > run->failed)
		run->failed = failing_malloc_failed();
}

/* A test's child that ends this way has made calls too. */
void _exit(int status)
{
	void (*real)(int) = (void (*)(int))dlsym(RTLD_NEXT, "_exit");

	if (run != NULL)
		count_calls();
	real(status);
	abort();
}

__attribute__((destructor)) static void end(void)
{
	if (run != NULL)
		count_calls();
}

static int first_segment(struct dl_phdr_info *info, size_t size, void *unused)
{
	(void)size;
	(void)unused;
	program_start = info->dlpi_addr;
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	static const int deadly[] = { SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT };
	const char *what = getenv(FAILING_MALLOC), *fd = getenv(FAILING_MALLOC_FD);
	static char stack[1 << 16];
	stack_t alternate = { .ss_sp = stack, .ss_size = sizeof(stack) };
	struct sigaction action = { .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER };
	void *frame;
	size_t i;
	long k;

	for (i = 0; i < sizeof(stubs) / sizeof(stubs[0]); i++)
		*stubs[i].real = dlsym(RTLD_NEXT, stubs[i].name);
	if (what == NULL || fd == NULL)
		return;
	run = mmap(NULL, sizeof(*run), PROT_READ | PROT_WRITE, MAP_SHARED, atoi(fd), 0);
	if (run == MAP_FAILED)
		_exit(99);
	failing_malloc_talloc(&talloc_first, &talloc_length);
	dl_iterate_phdr(first_segment, NULL);
	/* It loads a library the first time: not in a signal handler. */
	backtrace(&frame, 1);
	sigaltstack(&alternate, NULL);
	action.sa_sigaction = judge;
	for (i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++)
		sigaction(deadly[i], &action, NULL);
	action.sa_sigaction = take_long;
	sigaction(SIGTERM, &action, NULL);
	failing_malloc_keep();
	k = atol(what);
	if (k > 0)
		failing_malloc_arm(k, strchr(what, '+') != NULL);
}
