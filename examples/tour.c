/*
 * A tour of talloc, to be read from top to bottom, or to be run:
 *
 *     cc -std=c11 tour.c $(pkg-config --cflags --libs talloc) -o tour
 *
 * talloc is malloc with parents. Each piece of memory, a "chunk", may be the
 * parent of others, its "context". Free a chunk, and all below it goes too.
 *
 * The tour checks what it says; when it is wrong it prints a line and exits 1.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* __location__ is talloc's: the file and line, as a text. */
#define EXPECT(what) ((what) ? (void)0 : fail(__location__ ": not so: " #what))

static void fail(const char *text)
{
	fflush(stdout);
	fprintf(stderr, "%s\n", text);
	exit(1);
}

struct user {
	char *name;
	int id;
};

/* main() turns on the "null context", the parent of all that has no other. It
 * is a block itself. */
static size_t blocks_in_use(void)
{
	return talloc_total_blocks(NULL) - 1;
}

static void contexts_and_children(void)
{
	puts("\n1. Contexts and children");
	struct user *user = talloc_zero(NULL, struct user); /* NULL: no parent */
	EXPECT(user != NULL); /* talloc fails as malloc does, with NULL */
	user->name = talloc_strdup(user, "alice");          /* a child of user */
	EXPECT(talloc_parent(user->name) == user);
	printf("   a user and its name: %zu blocks, %zu bytes\n",
	       talloc_total_blocks(user), talloc_total_size(user));
	EXPECT(talloc_total_blocks(user) == 2);
	EXPECT(talloc_free(user) == 0); /* takes the name with it */
	EXPECT(blocks_in_use() == 0);
	puts("   one talloc_free of the user, and both are gone");
}

static void names(void)
{
	puts("\n2. Names");
	/* A chunk knows its type's name, so a void * can be checked later. */
	void *opaque = talloc(NULL, struct user);
	printf("   talloc(ctx, struct user) is named \"%s\"\n", talloc_get_name(opaque));
	EXPECT(talloc_get_type(opaque, struct user) == opaque);
	EXPECT(talloc_get_type(opaque, struct timer) == NULL);
	puts("   talloc_get_type says no to another type");
	talloc_set_name(opaque, "user number %d", 7);
	printf("   after talloc_set_name: \"%s\"\n", talloc_get_name(opaque));
	EXPECT(strcmp(talloc_get_name(opaque), "user number 7") == 0);
	TALLOC_FREE(opaque); /* frees, and sets the variable to NULL */
	EXPECT(opaque == NULL);
}

/* A destructor runs just before its chunk goes; -1 keeps the chunk alive. */
static int farewell(struct user *user)
{
	printf("   destructor: %s, id %d\n", user->name, user->id);
	return user->id == 0 ? -1 : 0;
}

static void destructors(void)
{
	puts("\n3. A destructor");
	struct user *user = talloc_zero(NULL, struct user);
	user->name = talloc_strdup(user, "bob");
	talloc_set_destructor(user, farewell); /* its argument type is checked */
	EXPECT(talloc_free(user) == -1);
	puts("   it said -1: bob is still here");
	user->id = 1;
	EXPECT(talloc_free(user) == 0);
	puts("   it said 0: bob is gone");
}

static void references(void)
{
	puts("\n4. References: more than one parent");
	void *first = talloc_new(NULL), *second = talloc_new(NULL);
	char *shared = talloc_strdup(first, "shared");
	talloc_reference(second, shared);
	printf("   a child of the first, with %zu reference from the second\n",
	       talloc_reference_count(shared));
	/* talloc_free cannot know which parent is meant, and refuses. */
	EXPECT(talloc_free(shared) == -1);
	puts("   talloc_free refuses");
	EXPECT(talloc_unlink(first, shared) == 0);
	EXPECT(talloc_parent(shared) == second);
	EXPECT(talloc_reference_count(shared) == 0);
	puts("   talloc_unlink of the first: now a child of the second alone");
	talloc_free(second);
	talloc_free(first);
	EXPECT(blocks_in_use() == 0);
}

static void steal_and_move(void)
{
	puts("\n5. Steal and move");
	/* Work below a temporary context, keep the result, drop the rest. */
	void *keep = talloc_new(NULL), *scratch = talloc_new(NULL);
	char *draft = talloc_strdup(scratch, "draft");
	char *result = talloc_strdup(scratch, "result");
	talloc_steal(keep, result);
	char *moved = talloc_move(keep, &draft); /* a steal that clears its source */
	EXPECT(draft == NULL && talloc_parent(moved) == keep);
	talloc_free(scratch);
	printf("   \"%s\" and \"%s\" outlived the context they were made in\n",
	       result, moved);
	EXPECT(talloc_total_blocks(keep) == 3);
	talloc_free(keep);
}

static void strings(void)
{
	puts("\n6. Strings");
	char *s = talloc_asprintf(NULL, "%d bottles", 99);
	s = talloc_strdup_append(s, " of milk"); /* may move, so assign it */
	s = talloc_asprintf_append(s, ", %s", "on the wall");
	printf("   %s\n", s);
	EXPECT(s != NULL && strcmp(s, "99 bottles of milk, on the wall") == 0);
	talloc_free(s);
}

static void arrays(void)
{
	puts("\n7. An array that grows");
	int *squares = talloc_array(NULL, int, 4);
	for (int i = 0; i < 4; i++)
		squares[i] = i * i;
	char *label = talloc_strdup(squares, "squares");
	squares = talloc_realloc(NULL, squares, int, 100000); /* takes children along */
	printf("   %zu elements, the fourth is still %d\n",
	       talloc_array_length(squares), squares[3]);
	EXPECT(talloc_array_length(squares) == 100000 && squares[3] == 9);
	EXPECT(talloc_parent(label) == squares);
	EXPECT(talloc_array(NULL, int, 0x40000000) == NULL); /* 256 MiB is too much */
	talloc_free(squares);
}

static void pools(void)
{
	puts("\n8. A pool: one malloc for many chunks");
	char *pool = talloc_pool(NULL, 4096);
	char *text = talloc_strdup(pool, "in the pool");
	uintptr_t start = (uintptr_t)pool, place = (uintptr_t)text;
	EXPECT(place > start && place < start + 4096);
	puts("   the child lies inside the pool's own block");
	char *large = talloc_size(pool, 8192); /* no room: comes from malloc */
	place = (uintptr_t)large;
	EXPECT(large != NULL && (place < start || place > start + 4096));
	puts("   one that is too large for it lies elsewhere, and is a child as well");
	talloc_free(pool);
	EXPECT(blocks_in_use() == 0);
}

static void pool_caches(void)
{
	puts("\n9. A static pool cache: slots of one size (not in stock talloc)");
	void *cache = talloc_pool_cache(NULL, 3 * sizeof(struct user), sizeof(struct user));
	struct user *a = talloc_cache_zero(cache), *b = talloc_cache(cache),
		    *c = talloc_cache(cache);
	EXPECT(a != NULL && b != NULL && c != NULL && a->id == 0);
	EXPECT(talloc_cache(cache) == NULL);
	puts("   three users taken, the fourth is NULL: full");
	talloc_free(b);
	EXPECT(talloc_cache(cache) == b);
	puts("   one freed, and its slot is the next to be handed out");
	talloc_free(cache);
	EXPECT(blocks_in_use() == 0);
}

/* talloc.h marks limits as deprecated, as it always has; they still work. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void memory_limit(void)
{
	puts("\n10. A memory limit");
	void *guest = talloc_new(NULL);
	EXPECT(talloc_set_memlimit(guest, 10000) == 0);
	void *most = talloc_size(guest, 8000);
	EXPECT(most != NULL && talloc_size(guest, 8000) == NULL);
	puts("   limit 10000: 8000 bytes are granted, 8000 more are NULL");
	talloc_free(most);
	EXPECT(talloc_size(guest, 8000) != NULL);
	puts("   the first ones freed, they are granted");
	talloc_free(guest);
}
#pragma GCC diagnostic pop

static void report(void)
{
	puts("\n11. A report of who owns what");
	void *team = talloc_named(NULL, 0, "team %s", "blue");
	for (int i = 1; i <= 2; i++) {
		struct user *user = talloc_zero(team, struct user);
		user->name = talloc_asprintf(user, "member %d", i);
	}
	talloc_report_full(team, stdout); /* the newest child comes first */
	printf("   blocks in use: %zu\n", blocks_in_use());
	EXPECT(blocks_in_use() == 6); /* the team's name is a block, too */
	talloc_free(team);
	printf("   after talloc_free of the team: %zu\n", blocks_in_use());
	EXPECT(blocks_in_use() == 0);
}

int main(void)
{
	talloc_enable_null_tracking();
	printf("talloc %d.%d\n", talloc_version_major(), talloc_version_minor());
	contexts_and_children();
	names();
	destructors();
	references();
	steal_and_move();
	strings();
	arrays();
	pools();
	pool_caches();
	memory_limit();
	report();
	EXPECT(blocks_in_use() == 0);
	talloc_disable_null_tracking(); /* the null context goes as well */
	EXPECT(talloc_total_blocks(NULL) == 0);
	puts("\nAll as expected; nothing is left.");
	return 0;
}
