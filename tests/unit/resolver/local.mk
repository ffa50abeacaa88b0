if HAVE_CUNIT
check_PROGRAMS += tests/unit/resolver/test_directives
TESTS += tests/unit/resolver/test_directives
tests_unit_resolver_test_directives_SOURCES = tests/unit/resolver/test_directives.c
tests_unit_resolver_test_directives_CPPFLAGS = $(unit_cppflags)
tests_unit_resolver_test_directives_CFLAGS = $(unit_cflags)
tests_unit_resolver_test_directives_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/resolver/test_resolver
TESTS += tests/unit/resolver/test_resolver
tests_unit_resolver_test_resolver_SOURCES = tests/unit/resolver/test_resolver.c
tests_unit_resolver_test_resolver_CPPFLAGS = $(unit_cppflags)
tests_unit_resolver_test_resolver_CFLAGS = $(unit_cflags)
tests_unit_resolver_test_resolver_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/resolver/test_ticket
TESTS += tests/unit/resolver/test_ticket
tests_unit_resolver_test_ticket_SOURCES = tests/unit/resolver/test_ticket.c
tests_unit_resolver_test_ticket_CPPFLAGS = $(unit_cppflags)
tests_unit_resolver_test_ticket_CFLAGS = $(unit_cflags)
tests_unit_resolver_test_ticket_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/resolver/test_job_input
TESTS += tests/unit/resolver/test_job_input
tests_unit_resolver_test_job_input_SOURCES = tests/unit/resolver/test_job_input.c
tests_unit_resolver_test_job_input_CPPFLAGS = $(unit_cppflags)
tests_unit_resolver_test_job_input_CFLAGS = $(unit_cflags)
tests_unit_resolver_test_job_input_LDADD = $(unit_libs)
endif
