/* Guide, chapter 10: moving from malloc. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <talloc.h>

/* What stands for a library that knows nothing of talloc. */
static char *other_library(void)
{
	return strdup("made by malloc");
}

/* part: foreign */
/* Memory of malloc that goes when its owner does. */
struct foreign {
	void *memory;
};

static int foreign_free(struct foreign *f)
{
	free(f->memory);
	return 0;
}

static int own(TALLOC_CTX *ctx, void *memory)
{
	struct foreign *f = talloc(ctx, struct foreign);

	if (f == NULL) {
		free(memory);
		return -1;
	}
	f->memory = memory;
	talloc_set_destructor(f, foreign_free);
	return 0;
}
/* end */

int main(void)
{
	/* part: use */
	void *request = talloc_named_const(NULL, 0, "request");
	char *text = other_library();
	if (text == NULL || own(request, text) != 0)
		return 1;
	printf("%s, and it goes with the request\n", text);
	talloc_free(request);
	/* end */
	return 0;
}
