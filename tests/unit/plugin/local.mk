if HAVE_CUNIT
check_PROGRAMS += tests/unit/plugin/test_host tests/unit/plugin/test_registry
TESTS += tests/unit/plugin/test_host tests/unit/plugin/test_registry
noinst_HEADERS += tests/unit/plugin/fixture.h
tests_unit_plugin_test_host_SOURCES = tests/unit/plugin/test_host.c
tests_unit_plugin_test_host_CPPFLAGS = $(unit_cppflags)
tests_unit_plugin_test_host_CFLAGS = $(unit_cflags)
tests_unit_plugin_test_host_LDADD = $(unit_libs)
tests_unit_plugin_test_registry_SOURCES = tests/unit/plugin/test_registry.c
tests_unit_plugin_test_registry_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/tests/unit/plugin
tests_unit_plugin_test_registry_CFLAGS = $(unit_cflags)
tests_unit_plugin_test_registry_LDADD = $(unit_libs)
endif
