noinst_HEADERS += tests/unit/provider/script_server.h
if HAVE_CUNIT
check_PROGRAMS += tests/unit/provider/test_provider
TESTS += tests/unit/provider/test_provider
# The plugin is compiled in, so that the sanitizers see the whole turn.
tests_unit_provider_test_provider_SOURCES = tests/unit/provider/test_provider.c \
  plugins/openai-compatible/openai_compatible.c
tests_unit_provider_test_provider_CPPFLAGS = $(unit_cppflags) -I$(srcdir)/plugins
tests_unit_provider_test_provider_CFLAGS = $(unit_cflags)
tests_unit_provider_test_provider_LDADD = plugins/libwire.la $(unit_libs)
endif

if HAVE_CUNIT
check_PROGRAMS += tests/unit/provider/test_login_reader
TESTS += tests/unit/provider/test_login_reader
tests_unit_provider_test_login_reader_SOURCES = tests/unit/provider/test_login_reader.c
tests_unit_provider_test_login_reader_CPPFLAGS = $(unit_cppflags)
tests_unit_provider_test_login_reader_CFLAGS = $(unit_cflags)
tests_unit_provider_test_login_reader_LDADD = $(unit_libs)
endif
