if HAVE_CUNIT
check_PROGRAMS += tests/unit/readiness/test_checks
TESTS += tests/unit/readiness/test_checks
tests_unit_readiness_test_checks_SOURCES = tests/unit/readiness/test_checks.c
tests_unit_readiness_test_checks_CPPFLAGS = $(unit_cppflags)
tests_unit_readiness_test_checks_CFLAGS = $(unit_cflags)
tests_unit_readiness_test_checks_LDADD = $(unit_libs)
endif
