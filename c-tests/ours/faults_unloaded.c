/*
 * The place of a free is gone when it is to be told, as that of a plugin that has been
 * unloaded: the abort has its reason all the same.
 */
#include "../test.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define REASON "Bad talloc magic value - access after free"
#define MAY_BE "talloc: access after free error - first free may be at "

enum { TEXT = 5000, ROOM = 4 * 65536 };

static char *place;
static bool in_pool, listens, refuses_to_look;

static void log_out(const char *message)
{
	fputs(message, stderr);
}

/* From here on the kernel says nothing about what can be read, but by a pipe. */
static void refuse_to_look(void)
{
	struct sock_filter all[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_process_vm_readv, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(all) / sizeof(all[0]), all };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		fputs("no filter\n", stderr);
}

static void (*unload)(void);

static void free_twice(void)
{
	void *pool = talloc_pool(NULL, 1000);
	void *ptr = talloc_named_const(in_pool ? pool : NULL, 100, "a chunk");

	talloc_named_const(pool, 100, "behind");
	if (listens)
		talloc_set_log_fn(log_out);
	if (refuses_to_look)
		refuse_to_look();
	_talloc_free(ptr, place);
	unload();
	_talloc_free(ptr, "second:1");
	fputs("came back\n", stderr);
}

static void each_way(const char *want)
{
	char lines[TEXT + 200];
	int way;

	snprintf(lines, sizeof(lines), "%s%s\n%s\n", MAY_BE, want, REASON);
	for (way = 0; way < 8; way++) {
		struct outcome *o;

		in_pool = way & 1;
		listens = way & 2;
		refuses_to_look = way & 4;
		o = run_apart(free_twice, false);
		CHECK(WIFSIGNALED(o->status) && WTERMSIG(o->status) == SIGABRT);
		CHECK_STR(o->out, listens ? lines : REASON "\n");
		o = run_apart(free_twice, true);
		CHECK_STR(o->reason, REASON);
		CHECK_STR(o->out, listens ? lines : "");
	}
}

/* --- a real one --- */

static void *object;

static void unload_object(void)
{
	dlclose(object);
}

static void of_an_object(void)
{
	/* anything of it does: nobody reads it while it is loaded */
	object = dlopen("libm.so.6", RTLD_NOW | RTLD_LOCAL);
	place = object == NULL ? NULL : dlsym(object, "cos");
	unload = unload_object;
	CHECK(place != NULL);
	each_way("(unloaded)");
	dlclose(object);
}

/* --- mapped by hand --- */

static char *map;
static size_t page;

static void map_text(size_t before_end)
{
	map = mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	page = (size_t)getpagesize();
	/* so many bytes of it in the first page */
	place = map + page - before_end;
	memset(place, 'x', TEXT);
	place[TEXT] = '\0';
}

static void unmap_all(void)
{
	munmap(map, ROOM);
}

static void unmap_the_rest(void)
{
	munmap(map + page, ROOM - page);
}

static void forbid_all(void)
{
	mprotect(map, ROOM, PROT_NONE);
}

static void forbid_the_rest(void)
{
	mprotect(map + page, ROOM - page, PROT_NONE);
}

static void do_nothing(void)
{
}

static void in_part(void)
{
	static const size_t before[] = { 1, 15, 1000 };
	size_t i;

	for (i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		map_text(before[i]);
		unload = unmap_all;
		each_way("(unloaded)");
		unload = unmap_the_rest;
		each_way("(unloaded)");
		unload = forbid_all;
		each_way("(unloaded)");
		unload = forbid_the_rest;
		each_way("(unloaded)");
		/* what is there is told, to its end */
		unload = do_nothing;
		each_way(place);
		place[before[i] - 1] = '\0';
		unload = unmap_the_rest;
		each_way(place);
		munmap(map, ROOM);
	}
}

static int file;

static void cut_file(void)
{
	if (ftruncate(file, 0) != 0)
		fputs("not cut\n", stderr);
}

/* A mapped file that has become shorter: a look would be a SIGBUS. */
static void in_a_file(void)
{
	FILE *f = tmpfile();

	file = fileno(f);
	CHECK(ftruncate(file, ROOM) == 0);
	CHECK(pwrite(file, "a place", 8, 0) == 8);
	place = map = mmap(NULL, ROOM, PROT_READ, MAP_SHARED, file, 0);
	unload = do_nothing;
	each_way("a place");
	unload = cut_file;
	in_pool = listens = true;
	refuses_to_look = false;
	CHECK_STR(run_apart(free_twice, false)->out, MAY_BE "(unloaded)\n" REASON "\n");
	munmap(map, ROOM);
	fclose(f);
}

static void constants(void)
{
	static char own[] = "a place of its own";

	unload = do_nothing;
	place = own;
	each_way("a place of its own");
	place = strdup("on the heap");
	each_way("on the heap");
	free(place);
	place = (char *)"";
	each_way("");
}

int main(void)
{
#ifdef __GLIBC__
	RUN(of_an_object);
#else
	(void)of_an_object; /* musl unloads nothing */
#endif
	RUN(in_part);
	RUN(in_a_file);
	RUN(constants);
	TEST_END();
}
