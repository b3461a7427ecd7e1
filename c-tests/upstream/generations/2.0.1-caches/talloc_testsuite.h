#ifndef TALLOC_TESTSUITE_H
#define TALLOC_TESTSUITE_H

struct torture_context;
bool torture_local_talloc(struct torture_context *tctx);

#endif
