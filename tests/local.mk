# Each unit-test program links the core, which gives it the hidden functions; black-box tests link libmergeloom.la.
unit_cppflags = $(AM_CPPFLAGS) -I$(srcdir)/tests/unit
unit_cflags = $(AM_CFLAGS) $(CUNIT_CFLAGS) -pthread
unit_libs = libmergeloom/libcore.la $(CUNIT_LIBS)
noinst_HEADERS += tests/unit/harness.h tests/unit/schema_check.h

include tests/unit/base/local.mk
include tests/unit/net/local.mk
include tests/unit/process/local.mk
include tests/unit/secret/local.mk
include tests/unit/plugin/local.mk
include tests/unit/settings/local.mk
include tests/unit/credential/local.mk
include tests/unit/resolver/local.mk
include tests/unit/provider/local.mk
include tests/unit/wire/local.mk
include tests/unit/job/local.mk
include tests/unit/readiness/local.mk
include tests/unit/worker/local.mk
include tests/unit/daemon/local.mk
include tests/mock-plugins/local.mk
include tests/abi/local.mk
include tests/conformance/local.mk
include tests/e2e/local.mk
