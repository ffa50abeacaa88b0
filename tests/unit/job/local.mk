if HAVE_CUNIT
job_fixture = tests/unit/job/fixture.c tests/unit/job/fixture.h
job_cppflags = $(unit_cppflags) -I$(srcdir)/tests/unit/job

check_PROGRAMS += tests/unit/job/test_document tests/unit/job/test_loop tests/unit/job/test_tools tests/unit/job/test_attacks
TESTS += tests/unit/job/test_document tests/unit/job/test_loop tests/unit/job/test_tools tests/unit/job/test_attacks
tests_unit_job_test_loop_SOURCES = tests/unit/job/test_loop.c $(job_fixture)
tests_unit_job_test_loop_CPPFLAGS = $(job_cppflags)
tests_unit_job_test_loop_CFLAGS = $(unit_cflags)
tests_unit_job_test_loop_LDADD = $(unit_libs)
tests_unit_job_test_tools_SOURCES = tests/unit/job/test_tools.c $(job_fixture)
tests_unit_job_test_tools_CPPFLAGS = $(job_cppflags)
tests_unit_job_test_tools_CFLAGS = $(unit_cflags)
tests_unit_job_test_tools_LDADD = $(unit_libs)
tests_unit_job_test_attacks_SOURCES = tests/unit/job/test_attacks.c $(job_fixture)
tests_unit_job_test_attacks_CPPFLAGS = $(job_cppflags)
tests_unit_job_test_attacks_CFLAGS = $(unit_cflags)
tests_unit_job_test_attacks_LDADD = $(unit_libs)
tests_unit_job_test_document_SOURCES = tests/unit/job/test_document.c $(job_fixture)
tests_unit_job_test_document_CPPFLAGS = $(job_cppflags)
tests_unit_job_test_document_CFLAGS = $(unit_cflags)
tests_unit_job_test_document_LDADD = $(unit_libs)
endif
EXTRA_DIST += tests/unit/job/validate.py
