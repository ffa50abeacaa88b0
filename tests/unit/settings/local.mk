if HAVE_CUNIT
check_PROGRAMS += tests/unit/settings/test_settings
TESTS += tests/unit/settings/test_settings
tests_unit_settings_test_settings_SOURCES = tests/unit/settings/test_settings.c daemon/deployment_fields.c
tests_unit_settings_test_settings_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/daemon
tests_unit_settings_test_settings_CFLAGS = $(unit_cflags)
tests_unit_settings_test_settings_LDADD = $(unit_libs)
endif
