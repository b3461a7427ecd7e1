/* Guide, chapter 4: stealing. */
#include <stdio.h>
#include <string.h>
#include <talloc.h>

/* part: work */
/* The longest word of a text. What is needed on the way is below tmp. */
static char *longest(TALLOC_CTX *ctx, const char *text)
{
	TALLOC_CTX *tmp = talloc_new(ctx);
	char *copy, *best, *result = NULL;

	if (tmp == NULL)
		return NULL;
	copy = talloc_strdup(tmp, text);
	best = talloc_strdup(tmp, "");
	if (copy == NULL || best == NULL)
		goto done;
	for (char *word = strtok(copy, " "); word != NULL; word = strtok(NULL, " ")) {
		if (strlen(word) <= strlen(best))
			continue;
		best = talloc_strdup(tmp, word);
		if (best == NULL)
			goto done;
	}
	result = talloc_steal(ctx, best);
done:
	talloc_free(tmp); /* the copy and all words but the one that was stolen */
	return result;
}
/* end */

struct queue {
	char *job;
};

/* part: move */
/* Takes the job: the caller has no pointer to it any more. */
static void enqueue(struct queue *q, char **job)
{
	q->job = talloc_move(q, job);
}
/* end */

int main(void)
{
	struct queue *q = talloc_zero(NULL, struct queue);
	/* part: call */
	char *job = longest(NULL, "a word is a chunk like any other");
	printf("the longest: %s\n", job);
	enqueue(q, &job);
	printf("the queue has %zu blocks, job is %s\n", talloc_total_blocks(q),
	       job == NULL ? "NULL" : "still set");
	talloc_free(q);
	/* end */
	return 0;
}
