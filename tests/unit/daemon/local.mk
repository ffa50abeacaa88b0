if DAEMON
if HAVE_CUNIT
daemon_tests = \
  tests/unit/daemon/test_child_process \
  tests/unit/daemon/test_deployment \
  tests/unit/daemon/test_fleet \
  tests/unit/daemon/test_html \
  tests/unit/daemon/test_store
check_PROGRAMS += $(daemon_tests)
TESTS += $(daemon_tests)
daemon_unit_cppflags = $(unit_cppflags) -I$(srcdir)/daemon
daemon_deployment_sources = daemon/deployment.c daemon/deployment_fields.c daemon/deployment_unused.c \
  daemon/store/database_url.c
tests_unit_daemon_test_child_process_SOURCES = tests/unit/daemon/test_child_process.c daemon/child_process.c \
  daemon/last_words.c
tests_unit_daemon_test_child_process_CPPFLAGS = $(daemon_unit_cppflags)
tests_unit_daemon_test_child_process_CFLAGS = $(unit_cflags)
tests_unit_daemon_test_child_process_LDADD = $(unit_libs)
tests_unit_daemon_test_deployment_SOURCES = tests/unit/daemon/test_deployment.c $(daemon_deployment_sources)
tests_unit_daemon_test_deployment_CPPFLAGS = $(daemon_unit_cppflags)
tests_unit_daemon_test_deployment_CFLAGS = $(unit_cflags)
tests_unit_daemon_test_deployment_LDADD = $(unit_libs)
tests_unit_daemon_test_fleet_SOURCES = tests/unit/daemon/test_fleet.c daemon/fleet.c
tests_unit_daemon_test_fleet_CPPFLAGS = $(daemon_unit_cppflags)
tests_unit_daemon_test_fleet_CFLAGS = $(unit_cflags)
tests_unit_daemon_test_fleet_LDADD = $(unit_libs)
tests_unit_daemon_test_html_SOURCES = tests/unit/daemon/test_html.c daemon/html.c
tests_unit_daemon_test_html_CPPFLAGS = $(daemon_unit_cppflags)
tests_unit_daemon_test_html_CFLAGS = $(unit_cflags)
tests_unit_daemon_test_html_LDADD = $(unit_libs)
tests_unit_daemon_test_store_SOURCES = tests/unit/daemon/test_store.c $(daemon_store_sources) \
  daemon/deployment.c daemon/deployment_fields.c daemon/deployment_unused.c
tests_unit_daemon_test_store_CPPFLAGS = $(daemon_unit_cppflags) $(SQLITE_CFLAGS) $(POSTGRESQL_CFLAGS)
tests_unit_daemon_test_store_CFLAGS = $(unit_cflags)
tests_unit_daemon_test_store_LDADD = $(unit_libs) $(SQLITE_LIBS) $(POSTGRESQL_LIBS)
endif
endif
