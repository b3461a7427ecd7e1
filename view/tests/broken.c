/*
 * A small tree in which something is then written over, as a line on stdin says; "end" is
 * the answer. The words of a header are those of the library's header.rs.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>
#include <unistd.h>

static int dtor(void *p)
{
	(void)p;
	return 0;
}

static uint64_t *header(void *p)
{
	return (uint64_t *)((char *)p - 64);
}

int main(void)
{
	char line[100], what[100];
	void *top, *a, *b, *c, *pool, *member, *other;

	while (fgets(line, sizeof line, stdin) != NULL) {
		if (sscanf(line, "%99s", what) != 1)
			return 2;
		top = talloc_named_const(NULL, 10, "top");
		c = talloc_named_const(top, 10, "oldest");
		b = talloc_named_const(top, 10, "middle");
		a = talloc_named_const(top, 10, "newest");
		other = talloc_named_const(NULL, 10, "other");
		talloc_set_destructor(b, dtor);
		pool = talloc_pool(top, 1000);
		member = talloc_named_const(pool, 50, "member");
		if (talloc_reference(other, c) == NULL)
			return 2;
		if (strcmp(what, "head") == 0)
			header(b)[0] ^= 1;
		else if (strcmp(what, "parent") == 0)
			header(b)[1] = 0x4141414141414141;
		else if (strcmp(what, "next") == 0)
			header(a)[2] = 0x4141414141414141;
		else if (strcmp(what, "child") == 0)
			header(pool)[3] = (uint64_t)header(a);
		else if (strcmp(what, "pprev") == 0)
			header(c)[4] = 0;
		else if (strcmp(what, "destructor") == 0)
			header(b)[5] = 0x4141414141414141;
		else if (strcmp(what, "references") == 0)
			header(c)[5] = 0x4141414141414141;
		else if (strcmp(what, "pool") == 0)
			header(pool)[6] += 4096;
		else if (strcmp(what, "home") == 0)
			header(member)[6] += 64;
		else if (strcmp(what, "overrun") == 0)
			memset(c, 'x', 200);
		else if (strcmp(what, "nothing") != 0)
			return 2;
		printf("end\n");
		fflush(stdout);
	}
	_exit(0);
}
