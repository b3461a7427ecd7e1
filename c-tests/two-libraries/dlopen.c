/*
 * A program that is not linked to the library loads it, uses it and lets it go,
 * a hundred times.
 *
 * usage: dlopen LIBRARY
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 100

static const char *path;
static int failures;

#define CHECK(cond) check((cond) ? 1 : 0, #cond, __LINE__)

static void check(int good, const char *text, int line)
{
	printf("%s - %s\n", good ? "ok" : "not ok", text);
	if (!good)
		fprintf(stderr, "%s:%d: failed: %s\n", __FILE__, line, text);
	failures += !good;
}

/* How often the library is mapped: one line for each part of it. */
static int mapped(void)
{
	FILE *f = fopen("/proc/self/maps", "r");
	char line[4096];
	int count = 0;

	if (f == NULL)
		exit(99);
	while (fgets(line, sizeof(line), f) != NULL)
		count += strstr(line, "libtalloc") != NULL;
	fclose(f);
	return count;
}

static long resident(void) /* KiB */
{
	long total = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
		exit(99);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static struct {
	void *handle;
	void *(*named_const)(const void *, size_t, const char *);
	char *(*asprintf)(const void *, const char *, ...);
	void *(*pool)(const void *, size_t);
	void *(*pool_cache)(const void *, size_t, size_t);
	void *(*cache)(const void *);
	void *(*reference)(const void *, const void *, const char *);
	void *(*realloc)(const void *, void *, size_t, const char *);
	void *(*autofree)(void);
	int (*free)(void *, const char *);
	int (*memlimit)(const void *, size_t);
	void (*set_destructor)(const void *, int (*)(void *));
	size_t (*total_blocks)(const void *);
	void (*null_tracking)(void);
	void (*no_null_tracking)(void);
	void (*leak_report)(void);
	void (*set_log_fn)(void (*)(const char *));
	void (*set_abort_fn)(void (*)(const char *));
} t;

static void *function(const char *name)
{
	void *f = dlsym(t.handle, name);

	if (f == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		exit(99);
	}
	return f;
}

static bool load(void)
{
	t.handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (t.handle == NULL) {
		fprintf(stderr, "%s\n", dlerror());
		return false;
	}
#define GET(field, name) (t.field = (__typeof__(t.field))function(name))
	GET(named_const, "talloc_named_const");
	GET(asprintf, "talloc_asprintf");
	GET(pool, "talloc_pool");
	GET(pool_cache, "talloc_pool_cache");
	GET(cache, "talloc_cache");
	GET(reference, "_talloc_reference_loc");
	GET(realloc, "_talloc_realloc");
	GET(autofree, "talloc_autofree_context");
	GET(free, "_talloc_free");
	GET(memlimit, "talloc_set_memlimit");
	GET(set_destructor, "_talloc_set_destructor");
	GET(total_blocks, "talloc_total_blocks");
	GET(null_tracking, "talloc_enable_null_tracking");
	GET(no_null_tracking, "talloc_disable_null_tracking");
	GET(leak_report, "talloc_enable_leak_report");
	GET(set_log_fn, "talloc_set_log_fn");
	GET(set_abort_fn, "talloc_set_abort_fn");
#undef GET
	return true;
}

static bool unload(void)
{
	return dlclose(t.handle) == 0;
}

static int destroyed;

static int count_destroyed(void *ptr)
{
	(void)ptr;
	destroyed++;
	return 0;
}

static void say(const char *text)
{
	(void)text;
}

/* Something of everything, and all of it freed. */
static void use(void)
{
	void *top = t.named_const(NULL, 10, "top"), *pool = t.pool(top, 1000);
	void *cache = t.pool_cache(top, 1000, 50);
	char *text = t.asprintf(pool, "%s %d", "text", 12345);

	if (strcmp(text, "text 12345") != 0)
		exit(98);
	t.memlimit(top, 1 << 20);
	t.reference(t.cache(cache), text, "here");
	top = t.realloc(NULL, top, 5000, "top");
	t.set_log_fn(say);
	t.set_abort_fn(say);
	if (t.total_blocks(top) != 6 || t.free(top, "here") != 0)
		exit(98);
}

static void *use_in_a_thread(void *unused)
{
	use();
	return unused;
}

static void use_and_go(bool tracked, bool with_autofree, bool in_a_thread)
{
	pthread_t thread;

	if (tracked)
		t.null_tracking();
	if (with_autofree)
		t.set_destructor(t.named_const(t.autofree(), 100, "freed at the end"),
				 count_destroyed);
	use();
	if (in_a_thread) {
		if (pthread_create(&thread, NULL, use_in_a_thread, NULL) != 0)
			exit(99);
		pthread_join(thread, NULL);
	}
	/* nobody else gives the null context back */
	if (tracked && !with_autofree)
		t.no_null_tracking();
}

static void plain(void)
{
	long before = 0, in_use = 0;
	int i, bad = 0;

	for (i = -10; i < ROUNDS; i++) {
		if (i == 0) {
			before = resident();
			in_use = (long)mallinfo2().uordblks;
		}
		bad += !load();
		bad += mapped() == 0;
		use_and_go(i % 2 == 0, false, i % 10 == 0);
		bad += !unload();
		/* nothing that it has registered keeps it here */
		bad += mapped() != 0;
	}
	CHECK(bad == 0);
	CHECK(mapped() == 0);
	CHECK((long)mallinfo2().uordblks - in_use < ROUNDS * 16);
	CHECK(resident() - before < 1024);
}

/* The autofree context goes with the library, and with its destructors. */
static void autofree(void)
{
	long in_use = 0;
	int i, bad = 0;

	for (i = -10; i < ROUNDS; i++) {
		if (i == 0)
			in_use = (long)mallinfo2().uordblks;
		bad += !load();
		destroyed = 0;
		use_and_go(false, true, false);
		bad += destroyed != 0;
		bad += !unload();
		bad += destroyed != 1 || mapped() != 0;
	}
	CHECK(bad == 0);
	CHECK((long)mallinfo2().uordblks - in_use < ROUNDS * 16);
}

/*
 * Null tracking, autofree and the leak report: nothing is leaked, so nothing is
 * said, and the null context itself is all that stays behind.
 */
static void everything(void)
{
	long in_use = 0;
	int i, bad = 0;

	for (i = -10; i < ROUNDS; i++) {
		if (i == 0)
			in_use = (long)mallinfo2().uordblks;
		bad += !load();
		destroyed = 0;
		t.leak_report();
		use_and_go(true, true, i % 10 == 0);
		bad += !unload();
		bad += destroyed != 1 || mapped() != 0;
	}
	CHECK(bad == 0);
	CHECK((long)mallinfo2().uordblks - in_use < ROUNDS * (64 + 16 + 16));
}

/* What a leak report has to say it says when the library goes, once. */
static int reported(char *text, size_t size)
{
	int fd[2], lines = 0, status = 0;
	size_t used = 0, i;
	ssize_t n;
	pid_t pid;

	if (pipe(fd) != 0 || (pid = fork()) < 0)
		exit(99);
	if (pid == 0) {
		alarm(20);
		dup2(fd[1], 2);
		close(fd[0]);
		close(fd[1]);
		if (!load())
			_exit(1);
		t.leak_report();
		t.named_const(NULL, 10, "leaked");
		unload();
		fputs("gone\n", stderr);
		/* the way a program ends: it is not called again */
		exit(mapped());
	}
	close(fd[1]);
	while ((n = read(fd[0], text + used, size - 1 - used)) > 0)
		used += (size_t)n;
	text[used] = '\0';
	close(fd[0]);
	for (i = 0; i < used; i++)
		lines += text[i] == '\n';
	return waitpid(pid, &status, 0) == pid && status == 0 ? lines : -1;
}

/* A fork once the library is gone finds nothing of it; nor does one while it is there. */
static void forks(void)
{
	int i, status, bad = 0;
	pid_t pid;

	for (i = 0; i < ROUNDS; i++) {
		bad += !load();
		t.null_tracking();
		if (i % 2 == 0) {
			t.no_null_tracking();
			bad += !unload();
		}
		fflush(stdout);
		pid = fork();
		if (pid == 0) {
			alarm(10);
			if (i % 2 != 0)
				use();
			else if (!load())
				_exit(1);
			else
				use();
			_exit(!unload());
		}
		bad += pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
		if (i % 2 != 0) {
			t.no_null_tracking();
			bad += !unload();
		}
		bad += mapped() != 0;
	}
	CHECK(bad == 0);
}

/* Two handles are one library, which goes with the second. */
static void two_handles(void)
{
	void *second;

	CHECK(load());
	second = dlopen(path, RTLD_NOW);
	CHECK(second == t.handle);
	CHECK(unload());
	CHECK(mapped() > 0);
	use();
	CHECK(dlclose(second) == 0);
	CHECK(mapped() == 0);
}

int main(int argc, char **argv)
{
	char text[4096];
	int lines;

	if (argc != 2)
		return 2;
	path = argv[1];
	alarm(60);
	setvbuf(stdout, NULL, _IOLBF, 0);
	CHECK(mapped() == 0);
	plain();
	autofree();
	everything();
	lines = reported(text, sizeof(text));
	CHECK(lines == 3);
	CHECK(strncmp(text, "talloc report on 'null_context' (total     10 bytes in   2 blocks)\n",
		      67) == 0);
	CHECK(strstr(text, "leaked") != NULL && strstr(text, "leaked") < strstr(text, "gone\n"));
	forks();
	two_handles();
	return failures != 0;
}
