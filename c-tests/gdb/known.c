/*
 * A tree that is known, for gdb.  An argument says which word of which header is written
 * over; those of a header are those of the library's header.rs.  `stop_here` is called when
 * all is there.
 */
#include <stdint.h>
#include <string.h>
#include <talloc.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* limits */

struct thing {
	int number;
	char text[96];
};

TALLOC_CTX *top;
struct thing *thing, *gone;
void *pool, *member, *cache, *object, *other, *limited, *unrelated;
char *text, not_talloc[256];
struct thing by_value;
long many;

static int end_of_thing(struct thing *t)
{
	(void)t;
	return 0;
}

static int end_of_limited(void *p)
{
	(void)p;
	return 0;
}

__attribute__((noinline)) void stop_here(void)
{
	__asm__ volatile("" ::: "memory");
}

/* gdb has to look without a call. */
int calls;

void *would_be_called(void)
{
	calls++;
	return top;
}

static uint64_t *header(const void *p)
{
	return (uint64_t *)((char *)(uintptr_t)p - 64);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "nothing";

	if (strcmp(what, "null") == 0)
		talloc_enable_null_tracking();
	top = talloc_named_const(NULL, 10, "top");
	thing = talloc(top, struct thing);
	talloc_set_destructor(thing, end_of_thing);
	text = talloc_strdup(thing, "some text");
	talloc_named_const(top, 30, "twin");
	talloc_named_const(top, 31, "twin");
	pool = talloc_pool(top, 1000);
	talloc_set_name_const(pool, "the pool");
	member = talloc_named_const(pool, 50, "member");
	cache = talloc_pool_cache(top, 480, 48);
	talloc_set_name_const(cache, "the cache");
	object = talloc_cache(cache);
	talloc_set_name_const(object, "object");
	other = talloc_named_const(NULL, 20, "other\n\033name");
	if (talloc_reference(other, thing) == NULL)
		return 2;
	limited = talloc_named_const(top, 100, "limited");
	talloc_set_destructor(limited, end_of_limited);
	if (talloc_set_memlimit(limited, 100000) != 0)
		return 2;
	gone = talloc(top, struct thing);
	unrelated = not_talloc;
	talloc_free(gone);
	if (strcmp(what, "head") == 0)
		header(text)[0] ^= 1;
	else if (strcmp(what, "parent") == 0)
		header(text)[1] = 0x4141414141414141;
	else if (strcmp(what, "child") == 0)
		header(pool)[3] = (uint64_t)(uintptr_t)header(text);
	else if (strcmp(what, "next") == 0)
		header(limited)[2] = 0x4141414141414141;
	else if (strcmp(what, "pprev") == 0)
		header(text)[4] = 0;
	else if (strcmp(what, "destructor") == 0)
		header(limited)[5] = 0x4141414141414141;
	else if (strcmp(what, "references") == 0)
		header(thing)[5] = 0x4141414141414141;
	else if (strcmp(what, "home") == 0)
		header(member)[6] += 64;
	else if (strcmp(what, "loop") == 0)
		header(text)[3] = (uint64_t)(uintptr_t)header(thing);
	else if (strcmp(what, "many") == 0)
		for (many = 0; many < 100000; many++)
			talloc_named_const(top, 1000, "one of many");
	stop_here();
	return calls;
}
