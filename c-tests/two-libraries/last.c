/*
 * dlclose frees the autofree context and reports leaks before the library goes, pools
 * and references included, and whatever threads keep.
 *
 * usage: last LIBRARY
 */
#include <dlfcn.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

static int freed;

static int count(void *p)
{
	(void)p;
	freed++;
	return 0;
}

static void report(int is_right, const char *name)
{
	printf("%s - %s\n", is_right ? "ok" : "not ok", name);
}

int main(int argc, char **argv)
{
	void *library = argc > 1 ? dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) : NULL;
	void (*leak_report)(void);
	void *(*named)(const void *, size_t, const char *);
	void *(*pool)(const void *, size_t);
	void *(*autofree)(void);
	void (*destructor)(const void *, int (*)(void *));
	int (*free_)(void *, const char *);
	char text[1000];
	void *p;
	int pipes[2], err, lines = 0;
	ssize_t n, i;

	if (library == NULL || pipe(pipes) != 0)
		return 1;
	*(void **)&leak_report = dlsym(library, "talloc_enable_leak_report_full");
	*(void **)&named = dlsym(library, "talloc_named_const");
	*(void **)&pool = dlsym(library, "talloc_pool");
	*(void **)&autofree = dlsym(library, "talloc_autofree_context");
	*(void **)&destructor = dlsym(library, "_talloc_set_destructor");
	*(void **)&free_ = dlsym(library, "_talloc_free");
	leak_report();
	p = pool(autofree(), 10000);
	destructor(named(p, 10, "member"), count);
	free_(named(NULL, 10, "kept by the thread"), "here");
	named(pool(NULL, 1000), 7, "left");

	err = dup(2);
	dup2(pipes[1], 2);
	if (dlclose(library) != 0)
		return 1;
	dup2(err, 2);
	close(pipes[1]);
	n = read(pipes[0], text, sizeof text);
	for (i = 0; i < n; i++)
		lines += text[i] == '\n';
	report(freed == 1, "dlclose frees the autofree context");
	report(lines == 3, "dlclose reports what is left");
	return freed == 1 && lines == 3 ? 0 : 1;
}
