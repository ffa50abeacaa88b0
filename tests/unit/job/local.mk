if HAVE_CUNIT
job_fixture = tests/unit/job/fixture.c tests/unit/job/fixture.h

check_PROGRAMS += tests/unit/job/test_loop
TESTS += tests/unit/job/test_loop
tests_unit_job_test_loop_SOURCES = tests/unit/job/test_loop.c $(job_fixture)
tests_unit_job_test_loop_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/tests/unit/job
tests_unit_job_test_loop_CFLAGS = $(unit_cflags)
tests_unit_job_test_loop_LDADD = $(unit_libs)
endif
