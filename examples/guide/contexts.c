/* Guide, chapter 2: contexts. */
#include <stdio.h>
#include <talloc.h>

struct session {
	char *user;
	int *scores;
};

int main(void)
{
	/* part: tree */
	void *server = talloc_named_const(NULL, 0, "server");
	struct session *ann = talloc_zero(server, struct session);
	ann->user = talloc_strdup(ann, "ann");
	ann->scores = talloc_array(ann, int, 1000);
	struct session *bob = talloc_zero(server, struct session);
	bob->user = talloc_strdup(bob, "bob");

	printf("the server has %zu bytes in %zu blocks\n", talloc_total_size(server),
	       talloc_total_blocks(server));
	talloc_free(ann); /* the session, its user and its scores */
	printf("without ann: %zu bytes in %zu blocks\n", talloc_total_size(server),
	       talloc_total_blocks(server));
	/* end */

	/* part: grow */
	/* The context is only for the case that there is nothing to resize. */
	int *scores = talloc_realloc(bob, bob->scores, int, 10);
	if (scores == NULL)
		return 1; /* bob->scores is as it was */
	bob->scores = scores;
	printf("room for %zu scores, a child of \"%s\"\n", talloc_array_length(bob->scores),
	       talloc_get_name(talloc_parent(bob->scores)));
	/* end */

	/* part: children */
	talloc_free_children(server);
	printf("the server alone: %zu block\n", talloc_total_blocks(server));
	talloc_free(server);
	/* end */
	return 0;
}
