/* The entry of the original's test program. */
#ifndef TALLOC_UPSTREAM_TESTSUITE_H
#define TALLOC_UPSTREAM_TESTSUITE_H

#include <stdbool.h>

struct torture_context;

bool torture_local_talloc(struct torture_context *tctx);

#endif
