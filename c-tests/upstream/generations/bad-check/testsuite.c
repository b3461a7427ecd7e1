/* A check that fails, though the program says that all is well. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

bool torture_local_talloc(struct torture_context *tctx)
{
	void *p = talloc_new(NULL);

	printf("success: one\n");
	printf("failure: two [\nwrong\n]\n");
	talloc_free(p);
	return true;
}
